"""Which letters are meant, and how they and their fate are told."""

from dataclasses import replace

import pytest

from esb_bus.deadletter import Letter, is_about
from esb_cli.dead import explained, remedy, result_text
from esb_cli.letters import LetterUnknown, Taken, pick

LETTER = Letter(
    id="5f0e/onec.trade/customer_order",
    queue="out.onec.trade",
    reason="unknown_product",
    error="line 1: no product has the article 'X'",
    thread="order/website.shop/1211",
    object="customer_order:order/website.shop/1211",
    legal_entity="romashka-opt",
    endpoint="onec.trade",
    correlation_id="order/website.shop/1211",
    type="order.placed",
    attempt=1,
    replay_count=0,
    replayable=True,
    first_failure="2026-01-05T09:00:00+00:00",
    last_failure="2026-01-05T09:00:00+00:00",
    sequence=1,
    size_bytes=100,
)
OTHER = replace(
    LETTER, id="7a1b/onec.trade/customer_order", thread="order/website.shop/12", object="", correlation_id=""
)


@pytest.mark.parametrize("document", ["1211", "order/website.shop/1211", "website.shop/1211", "5f0e"])
def test_letter_is_named_by_its_key_or_whole_parts_of_it(document: str) -> None:
    assert is_about(LETTER, document)


@pytest.mark.parametrize("document", ["121", "211", "order/website.shop/121", "shop"])
def test_letter_is_not_named_by_part_of_a_number(document: str) -> None:
    assert not is_about(LETTER, document)


@pytest.mark.parametrize("part", [LETTER.id, "1211", "5f0", "5f0e"])
def test_one_letter_is_picked_by_id_number_or_part_of_its_id(part: str) -> None:
    assert pick([OTHER, LETTER], part) is LETTER


def test_number_picks_its_letter_and_not_one_that_merely_contains_it() -> None:
    assert pick([LETTER, OTHER], "12") is OTHER


@pytest.mark.parametrize(
    ("part", "expected"), [("nonsense", "no dead letter has 'nonsense'"), ("website.shop", "2 dead letters fit")]
)
def test_part_that_fits_none_or_several_is_refused(part: str, expected: str) -> None:
    with pytest.raises(LetterUnknown, match=expected):
        pick([LETTER, OTHER], part)


def test_remedy_is_a_command_that_means_this_document_only() -> None:
    assert remedy(LETTER) == "esb dead replay --document order/website.shop/1211"


def test_letter_with_unreadable_bytes_is_dropped_and_not_replayed() -> None:
    assert remedy(replace(LETTER, replayable=False)) == "esb dead drop 5f0e/onec.trade/customer_order"


def test_name_that_would_run_something_in_a_shell_is_quoted() -> None:
    assert remedy(replace(LETTER, thread="a; rm -rf /")) == "esb dead replay --document 'a; rm -rf /'"


def test_bug_is_explained_as_ours() -> None:
    assert any("fault of the bus" in line for line in explained(replace(LETTER, reason="bug")))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "out.onec.trade: replayed 2 of 2"),
        ({"back": 0}, "out.onec.trade: replayed 2 of 2; none has failed again so far"),
        (
            {"back": 1},
            "out.onec.trade: replayed 2 of 2; 1 failed again: esb dead list --endpoint out.onec.trade",
        ),
        ({"done": 1}, "out.onec.trade: replayed 1 of 2; 1 had been taken out meanwhile"),
        (
            {"done": 1, "finished": False, "why": "the command waits in the queue"},
            "out.onec.trade: 1 of 2 replayed; the command waits in the queue",
        ),
    ],
)
def test_fate_of_a_batch_is_one_sentence(changes: dict[str, object], expected: str) -> None:
    result = replace(Taken("out.onec.trade", "replay", total=2, done=2, finished=True), **changes)  # type: ignore[arg-type]  # a table of fields

    assert result_text(result) == expected
