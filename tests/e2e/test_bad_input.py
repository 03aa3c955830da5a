"""What strangers and broken shops send: a clear answer, and nothing lost that was signed."""

import json

import pytest

from esb_cli.demo.company import SHOP

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _body(company, native, **changes):
    """An order as the shop would send it, under a number of its own."""
    await company.order()
    order = (await company.control.objects(SHOP, "orders"))[0]
    return order | {"id": native, "number": str(native)} | changes


def _raw(body):
    return json.dumps(body, ensure_ascii=False).encode()


def _first_line(body, **changes):
    return [body["line_items"][0] | changes, *body["line_items"][1:]]


async def test_a_wrong_signature_is_401_and_leaves_nothing(company):
    raw = _raw(await _body(company, 910001))

    answer = await company.deliver(raw, secret="somebody else's")

    assert answer.status_code == 401
    assert await company.letters(f"order/{SHOP}/910001") == []
    assert await company.documents(f"order/{SHOP}/910001") == []


async def test_a_body_above_8_mb_is_413(company):
    answer = await company.deliver(b" " * 9_000_000)

    assert answer.status_code == 413


async def test_broken_json_is_kept_as_it_came_with_a_reason(company):
    raw = b'{"id": 910002, "line_items": ['
    before = {letter.id for letter in await company.running.queues.letters()}

    answer = await company.deliver(raw)

    assert answer.status_code == 200

    async def find():
        return [letter for letter in await company.running.queues.letters() if letter.id not in before]

    (letter,) = await company.until(find)
    assert (letter.queue, letter.replayable) == (f"in.{SHOP}", False)
    assert await company.original(letter) == raw


@pytest.mark.parametrize(
    ("native", "change", "words"),
    [
        (910011, lambda _: {"line_items": []}, "line"),
        (910012, lambda body: {"line_items": _first_line(body, quantity=-2)}, "quantity"),
        (910013, lambda body: {"line_items": _first_line(body, total="12.3456789")}, "total"),
        (910014, lambda _: {"meta_data": [{"id": 1, "key": "_seller", "value": "romashka-opt"},
                                          {"id": 2, "key": "_billing_inn", "value": "7812345670"}]}, "7812345670"),
        (910015, lambda _: {"meta_data": [{"id": 1, "key": "_seller", "value": "somebody"}]}, "somebody"),
        (910016, lambda _: {"total": {"rub": 5}}, "total"),
    ],
    ids=["no lines", "negative quantity", "7 decimals", "wrong INN", "unknown seller", "wrong type"],
)  # fmt: skip
async def test_an_order_that_cannot_be_used_is_accepted_and_explained(company, native, change, words):
    body = await _body(company, native)
    raw = _raw(body | change(body))

    answer = await company.deliver(raw)

    assert answer.status_code == 200
    letter = await company.letter(f"order/{SHOP}/{native}")
    assert words.lower() in letter.error.lower()
    assert await company.original(letter) == raw


@pytest.mark.parametrize(
    ("native", "name", "inn"),
    [(910021, "Лютик 🌼 и К°", "7729123003"), (910022, "Очень длинное имя." * 55 + "1234567890", "7729123010")],
    ids=["emoji", "1000 characters"],
)
async def test_an_odd_name_does_not_stop_an_order(company, native, name, inn):
    body = await _body(company, native)
    billing = body["billing"] | {"company": name}
    meta = [{"id": 1, "key": "_seller", "value": "romashka-opt"}, {"id": 2, "key": "_billing_inn", "value": inn}]

    answer = await company.deliver(_raw(body | {"billing": billing, "meta_data": meta}))

    assert answer.status_code == 200
    assert (await company.posted(f"order/{SHOP}/{native}")).is_posted
