"""Dead letters on the command line, against a running company."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_letter_is_listed_with_its_reason_and_the_command_that_replays_it(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    said = await company.esb("dead", "list", "--document", number)

    assert said.status == 0
    assert "unknown_product" in said.out
    assert "«Артикул»" in said.out
    assert f"esb dead replay --document order/website.shop/{number}" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "esb dead replay --reason unknown_product --endpoint out.onec.trade" in said.err


async def test_filters_narrow_the_list(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    async def listed(*filters):
        return len((await company.esb("dead", "list", "--json", "--document", number, *filters)).rows)

    fitting = ("--reason", "unknown_product", "--endpoint", "onec.trade", "--since", "2020-01-01")
    assert await listed(*fitting, "--legal-entity", "romashka-opt") == 1
    assert await listed(*fitting, "--legal-entity", "romashka-retail") == 0
    assert await listed("--until", "2020-01-01T00:00") == 0


async def test_letter_is_shown_whole(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    said = await company.esb("dead", "show", number)
    (row,) = (await company.esb("dead", "show", number, "--json")).rows

    assert '"order_key":"order/website.shop/' + number in said.out
    assert row["reason"] == row["headers"]["x-esb-reason"] == "unknown_product"


async def test_replay_asks_first_and_no_is_the_answer_without_a_person(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    refused = await company.esb("dead", "replay", "--document", number, answer="n\n")
    alone = await company.esb("dead", "replay", "--document", number)

    assert (refused.status, alone.status) == (1, 1)
    assert "1  unknown_product in out.onec.trade" in refused.err
    assert f"order/website.shop/{number}" in refused.err
    assert "nothing was done" in refused.err
    assert "--yes" in alone.err


async def test_letter_that_fails_again_is_told(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    said = await company.esb("dead", "replay", number, "--yes", "--wait", "2")

    assert said.status == 1
    assert "replayed 1 of 1; 1 failed again" in said.err


async def test_mended_letter_is_replayed_and_arrives(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")
    await company.retype(f"{mistyped}-typo", mistyped)

    said = await company.esb("dead", "replay", "--document", number, answer="y\n")
    story = await company.told(number, "order.accepted")

    assert said.status == 0, said.err
    assert "replayed 1 of 1; none has failed again so far" in said.err
    assert "dead letter" not in {step.what for step in story}


async def test_dropped_letter_is_gone(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    said = await company.esb("dead", "drop", "--document", number, "--yes", "--json")

    assert said.status == 0
    assert [(row["done"], row["finished"]) for row in said.rows] == [(1, True)]
    assert not (await company.esb("dead", "list", "--json", "--document", number)).rows


async def test_command_for_a_paused_endpoint_waits_and_is_carried_out_later(company, mistyped):
    number = await company.order(mistyped)
    await company.told(number, "dead letter")

    async with company.away("onec.trade"):
        said = await company.esb("dead", "drop", "--document", number, "--yes")

    async def is_gone():
        return "dead letter" not in {step.what for step in await company.story(number)}

    assert said.status == 1
    assert "the command waits in the queue" in said.err
    assert "onec.trade is paused since" in " ".join(said.err.split())
    await company.until(is_gone)


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("replay", "--document", "no-such-order", "--yes"), 1, "no dead letter fits"),
        (("show", "no-such-order"), 1, "no dead letter has 'no-such-order'"),
        (("list", "--since", "yesterday"), 2, "'yesterday' is not an ISO 8601 time"),
        (("list", "--limit", "0"), 2, "--limit"),
    ],
)
async def test_wrong_wish_is_told_in_one_line(company, arguments, status, expected):
    said = await company.esb("dead", *arguments)

    assert (said.status, said.out) == (status, "")
    assert expected in said.err
