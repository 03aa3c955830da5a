"""What is added to a failed message, and that it can always be written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from esb_bus.deadletter import (
    BEHIND_ANOTHER,
    Failure,
    LetterFilter,
    letter_of,
    moment,
    number,
    parked_of,
    read_letter,
    replay_of,
    returned_of,
)
from esb_bus.topology import (
    H_ATTEMPT,
    H_ERROR,
    H_LETTER,
    H_NATIVE_HEADERS,
    H_REASON,
    H_REPLAYED,
    H_SEQUENCE,
    H_TRACEBACK,
)
from esb_bus.wire import Delivery, Outgoing

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def delivery(message_id: str = "m1", **headers) -> Delivery:
    return Delivery(b"body", headers, message_id, tag=1, redelivered=False)


def failure(error: BaseException, code: str = "permanent") -> Failure:
    return Failure(code, error, attempt=3, first_at=AT, at=AT)


def again(message: Outgoing) -> Delivery:
    return Delivery(message.body, message.headers, message.message_id, tag=2, redelivered=False)


def size(message: Outgoing) -> int:
    properties = Basic.Properties(message_id=message.message_id, headers=message.headers)
    return len(ContentHeader(body_size=0, properties=properties).marshal())


def test_a_letter_keeps_bytes_and_headers_and_adds_the_failure():
    letter = letter_of(delivery(own="header"), "out.x", failure(ValueError("bad price")), sequence=7)

    assert letter.body == b"body"
    assert letter.routing_key == "out.x.dead"
    assert letter.headers["own"] == "header"
    assert (letter.headers[H_REASON], letter.headers[H_ERROR], letter.headers[H_ATTEMPT]) == (
        "permanent",
        "bad price",
        3,
    )


def test_a_letter_that_fails_again_keeps_its_id_and_place():
    first = letter_of(delivery(), "q", failure(ValueError("x")), sequence=7)
    second = letter_of(again(replay_of(again(first), "q")), "q", failure(ValueError("y")), sequence=20)

    assert (second.headers[H_LETTER], second.headers[H_SEQUENCE], second.headers[H_REPLAYED]) == ("m1", 7, 1)


def test_a_replay_takes_the_failure_off_but_remembers_when_it_was():
    replayed = replay_of(again(letter_of(delivery(), "q", failure(ValueError("x"), "bug"), 7)), "q")

    assert not {H_REASON, H_ERROR, H_TRACEBACK, H_ATTEMPT} & replayed.headers.keys()
    assert replayed.headers["x-esb-last-failure"] == AT.isoformat()


def test_a_replayed_letter_keeps_its_place_when_it_is_parked():
    replayed = again(replay_of(again(letter_of(delivery(), "q", failure(ValueError("x")), 7)), "q"))

    assert parked_of(replayed, "q", None, sequence=20).headers[H_SEQUENCE] == 7
    assert parked_of(delivery(), "q", None, sequence=20).headers[H_SEQUENCE] == 20


def test_a_letter_sent_back_says_why():
    replayed = again(replay_of(again(letter_of(delivery(), "q", failure(ValueError("x")), 7)), "q"))

    assert read_letter(again(returned_of(replayed, "q")), "q").reason == BEHIND_ANOTHER


@given(st.text(max_size=9000))
def test_an_error_text_is_cut_to_4_kb_of_utf8_without_control_characters(text):
    letter = letter_of(delivery(), "q", failure(ValueError(text)), 1)

    assert len(letter.headers[H_ERROR].encode()) <= 4096
    assert all(char.isprintable() or char in "\n\t" for char in letter.headers[H_ERROR])


def test_the_end_of_a_long_traceback_is_kept():
    try:
        _recurse(200)
    except ZeroDivisionError as error:
        letter = letter_of(delivery(), "q", failure(error, "bug"), 1)

    assert letter.headers[H_TRACEBACK].rstrip().endswith("division by zero")


def test_all_headers_of_our_own_fit_into_32_kb():
    native = delivery(**{H_NATIVE_HEADERS: "я" * 7000})

    letter = letter_of(native, "q", failure(ValueError("ы" * 9000), "bug"), 1)

    assert size(letter) <= 32 * 1024


@pytest.mark.parametrize(
    "headers",
    [{"x": "y" * 125_000}, {"x": "€" * 40_000}, {H_NATIVE_HEADERS: "€" * 40_000}, {"x": b"\xff\xfe", "l": [b"\x80"]}],
    ids=["long", "long in UTF-8", "long and ours", "another encoding"],
)
def test_whatever_headers_a_message_brings_it_can_be_moved(headers):
    letter = letter_of(delivery(**headers), "q", failure(ValueError("x" * 9000), "bug"), 1)

    assert size(letter) < 120_000


def test_ids_longer_than_a_property_stay_distinct():
    first, second = (parked_of(delivery(message_id="я" * 130 + end), "q", None, 1) for end in "ab")

    assert first.message_id != second.message_id
    assert len(first.message_id.encode()) <= 255


def test_headers_of_other_programs_are_read_without_trust():
    assert (number("many"), number(None), number(3)) == (0, 0, 3)
    assert (moment("yesterday"), moment("2026-01-05T12:00:00"), moment(5)) == (None, None, None)
    assert moment(AT.isoformat()) == AT


def test_a_filter_by_time_leaves_letters_without_a_time():
    letter = read_letter(delivery(), "q")

    assert LetterFilter().takes(letter)
    assert not LetterFilter(since=AT).takes(letter)


def _recurse(depth: int) -> float:
    return 1 / 0 if depth == 0 else _recurse_other(depth - 1)


def _recurse_other(depth: int) -> float:
    return _recurse(depth)
