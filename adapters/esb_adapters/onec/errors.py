"""How a 1C base can fail, under the classes the bus acts on."""

from esb_bus.errors import EndpointDown, PermanentError, RetryableError


class OneCBaseDown(EndpointDown):
    """Nobody answers for the base, or not in time."""

    code = "base_down"


class Unauthorised(EndpointDown):
    """The base does not accept our user."""

    code = "unauthorised"


class NoSession(EndpointDown):
    """The session pool of the base is exhausted."""

    code = "no_session"


class NoLicence(EndpointDown):
    """The base has no free licence."""

    code = "no_licence"


class BaseIsExclusive(EndpointDown):
    """The base is being updated, restored or otherwise closed to sessions."""

    code = "exclusive_mode"


class NotOData(EndpointDown):
    """Something else than the base answers at its address."""

    code = "not_odata"


class LockConflict(RetryableError):
    """Another transaction of the base held what we needed; ours was rolled back."""

    code = "lock_conflict"


class DocumentNotVisible(RetryableError):
    """The base says the document exists and does not show it yet."""

    code = "not_visible_yet"


class RefusedByBase(PermanentError):
    """Code of the base threw something this adapter knows no better name for."""

    code = "refused_by_base"


class PostingRefused(PermanentError):
    """The document was written and cannot be posted («не удалось провести»)."""

    code = "posting_refused"


class PeriodClosed(PermanentError):
    """The date of the document is in a closed period («дата запрета изменения»)."""

    code = "period_closed"


class NumberTaken(PermanentError):
    """Another document of this year has the number."""

    code = "number_taken"


class NotPublished(PermanentError):
    """The OData composition of the base lacks an object."""

    code = "not_published"


class NotFound(PermanentError):
    """There is no object with this reference."""

    code = "not_found"


class AccessDenied(PermanentError):
    """Our user lacks the right to an object of the base."""

    code = "access_denied"


class NotInConfiguration(PermanentError):
    """The configuration of this base has no such kind of document."""

    code = "not_in_configuration"


class NoKeyField(PermanentError):
    """The document type has no field that can hold our key and be searched by it."""

    code = "no_key_field"


class KeyTooLong(PermanentError):
    """Our key does not fit the field that is to hold it; it is never cut."""

    code = "key_too_long"


class Doubled(PermanentError):
    """Two objects in the base stand for one of ours."""

    code = "doubled"


class DeletedInBase(PermanentError):
    """Our object is marked for deletion («пометка удаления») in the base."""

    code = "deleted_in_base"


class EditedInBase(PermanentError):
    """A person has edited in the base what we would have to overwrite."""

    code = "edited_in_base"


class StampMissing(PermanentError):
    """A document has our number and not our stamp."""

    code = "stamp_missing"


class Unresolved(PermanentError):
    """A natural key of the document has no counterpart in the base."""

    code = "unresolved"


class UnknownOrganisation(Unresolved):
    """The organisation of a legal entity is not in the base."""

    code = "unknown_organisation"


class UnknownCounterparty(Unresolved):
    """A buyer without INN, and no counterparty that stands for such buyers."""

    code = "unknown_counterparty"


class AmbiguousCounterparty(Unresolved):
    """Several counterparties of the base fit one buyer."""

    code = "ambiguous_counterparty"


class UnknownProduct(Unresolved):
    """No product of the base has the article."""

    code = "unknown_product"


class AmbiguousProduct(Unresolved):
    """Several products of the base have the article."""

    code = "ambiguous_product"


class UnmappedUnit(Unresolved):
    """The unit of a line is not the unit of its product, or not in the base at all."""

    code = "unmapped_unit"


class UnmappedVatRate(Unresolved):
    """The base has no such VAT rate."""

    code = "unmapped_vat_rate"


class UnmappedCurrency(Unresolved):
    """The base has no such currency."""

    code = "unmapped_currency"
