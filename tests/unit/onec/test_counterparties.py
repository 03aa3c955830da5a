"""Which counterparty of a base a buyer is."""

import pytest

from esb_adapters.onec.counterparties import choose
from esb_adapters.onec.errors import AmbiguousCounterparty, DeletedInBase, Doubled
from factories import buyer

KPP, OTHER = "781201001", "781202002"


def row(kpp=KPP, *, marked=False):
    return {"Description": f"Двор {kpp}", "КПП": kpp, "DeletionMark": marked}


@pytest.mark.parametrize(
    ("kpp", "found", "chosen"),
    [
        pytest.param(KPP, [], None, id="nobody"),
        pytest.param(KPP, [row()], row(), id="the same KPP"),
        pytest.param(KPP, [row(), row(OTHER)], row(), id="the right branch"),
        pytest.param(KPP, [row(OTHER)], None, id="a branch that is not there yet"),
        pytest.param(KPP, [row("")], row(""), id="a KPP nobody filled in"),
        pytest.param(None, [row(OTHER)], row(OTHER), id="the only one, when the source has no KPP"),
        pytest.param(KPP, [row(marked=True), row()], row(), id="a marked double does not count"),
    ],
)
def test_choice(kpp, found, chosen):
    assert choose(found, buyer(kpp=kpp), "onec.trade") == chosen


@pytest.mark.parametrize(
    ("kpp", "found", "error"),
    [
        (KPP, [row(), row()], Doubled),
        (None, [row(), row(OTHER)], AmbiguousCounterparty),
        (KPP, [row(marked=True)], DeletedInBase),
    ],
)
def test_questions_for_a_person(kpp, found, error):
    with pytest.raises(error, match="7812345675"):
        choose(found, buyer(kpp=kpp), "onec.trade")
