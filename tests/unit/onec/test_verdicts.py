"""What is done with the base's document: by version, by who changed what."""

import pytest

from esb_adapters.onec.owned import Owned
from esb_adapters.onec.stamp import Stamp
from esb_adapters.onec.verdicts import Edited, Keep, Stale, Write, judge

KEY = "order/website.shop/10015"
HEADER, LINES = frozenset({"header"}), frozenset({"lines"})


def state(header="a", lines="a"):
    return Owned({"Адрес": header}, {"Сумма": 1}, [{"Цена": lines}], is_cancelled=False)


def stamp(version, left=None):
    return Stamp(KEY, version, (left or state()).hashes)


@pytest.mark.parametrize(
    ("stamped", "version", "wanted", "found", "is_posted", "verdict"),
    [
        pytest.param(stamp(5), 4, state(), state("b"), True, Stale(), id="an older version is dropped"),
        pytest.param(stamp(5), 5, state(), state(), True, Keep(should_post=False), id="a repetition does nothing"),
        pytest.param(stamp(5), 5, state(), state(), False, Keep(should_post=True), id="a repetition posts what is not"),
        pytest.param(stamp(5), 5, state(), state("b"), True, Keep(should_post=False), id="a later edit stays"),
        pytest.param(stamp(5), 5, state("c"), state(), True, Write(HEADER), id="another mapping of the same version"),
        pytest.param(stamp(4), 5, state("c"), state(), True, Write(HEADER), id="a change of the header"),
        pytest.param(stamp(4), 5, state(lines="c"), state(), True, Write(LINES), id="a change of the lines"),
        pytest.param(stamp(4), 5, state(), state(), True, Write(frozenset()), id="a newer version of the same"),
        pytest.param(stamp(4), 5, state("c"), state("b"), True, Edited(HEADER), id="both changed the header"),
        pytest.param(stamp(4), 5, state(lines="c"), state("b"), True, Write(LINES), id="each changed another part"),
        pytest.param(stamp(4), 5, state("b"), state("b"), True, Write(frozenset()), id="both changed it alike"),
        pytest.param(stamp(4), 5, state(), state("b"), True, Write(frozenset()), id="only a person changed it"),
        pytest.param(Stamp(KEY, 4), 5, state("c"), state("b"), True, Write(HEADER), id="a stamp without hashes"),
    ],
)
def test_verdicts(stamped, version, wanted, found, is_posted, verdict):
    assert judge(stamped, version, wanted, found, is_posted=is_posted) == verdict
