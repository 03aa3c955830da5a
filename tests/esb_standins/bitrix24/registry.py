"""Every method the portal knows, with its scope and whether it writes."""

from typing import Final

from esb_standins.bitrix24.catalog import CATALOG_METHODS
from esb_standins.bitrix24.dictionaries import DICTIONARY_METHODS
from esb_standins.bitrix24.errors import insufficient_scope, unknown_method
from esb_standins.bitrix24.item_methods import ITEM_METHODS
from esb_standins.bitrix24.old_methods import OLD_METHODS
from esb_standins.bitrix24.params import lower_names
from esb_standins.bitrix24.portal import Answer, Handler, Params, Portal
from esb_standins.bitrix24.requisites import REQUISITE_METHODS
from esb_standins.bitrix24.rows import ROW_METHODS
from esb_standins.bitrix24.timeline import TIMELINE_METHODS

METHODS: Final[dict[str, Handler]] = {
    **OLD_METHODS,
    **ITEM_METHODS,
    **ROW_METHODS,
    **REQUISITE_METHODS,
    **TIMELINE_METHODS,
    **DICTIONARY_METHODS,
    **CATALOG_METHODS,
}
_WRITES: Final = (".add", ".update", ".delete", ".set", ".register")
# these take their parameter names exactly as documented, unlike the rest of the old generation
_EXACT: Final = ("crm.item.", "catalog.", "crm.timeline.", "crm.category.")
_FREE: Final = frozenset({"profile", "scope", "server.time", "event.bind", "event.get", "event.offline.get"})


def writes(method: str) -> bool:
    """Return whether a method changes something; a batch may."""
    return method == "batch" or method.endswith(_WRITES)


def run(portal: Portal, method: str, params: Params) -> Answer:
    """Execute one method, named in any case.

    Raises:
        RestError: unknown method, missing scope, or the method's own refusal.
    """
    name = method.lower()
    handler = METHODS.get(name)
    if handler is None:
        raise unknown_method()
    if name not in _FREE and not _scope(name) & set(portal.settings.scopes):
        raise insufficient_scope()
    return handler(portal, params if name.startswith(_EXACT) else lower_names(params))


def _scope(method: str) -> set[str]:
    root = method.partition(".")[0]
    return {"user", "user_brief"} if root == "user" else {root}
