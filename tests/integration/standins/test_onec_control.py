"""Steering stand-ins over the control port and the command line; what the fault box decides."""

import asyncio
import json
from contextlib import suppress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esb_standins.__main__ import main
from esb_standins.faults import Fault, FaultBox
from esb_standins.onec.errors import ODataError
from esb_standins.onec.evaluate import Evaluator
from esb_standins.onec.filters import parse_filter
from esb_standins.onec.profile import load_profile
from esb_standins.storage import LedgerEntry, append_ledger, open_database, read_ledger, transaction


async def command(base, *words):
    """Run the command line against a base, beside the event loop that serves it."""
    return await asyncio.to_thread(main, ["--control", base.host.control.url, *words])


async def test_the_command_line_switches_faults_and_clears_them(trade):
    switched = await command(trade, "fault", trade.name, "503", "--share", "0.5", "--methods", "POST", "PATCH")
    faults = trade.standin.faults.active()
    cleared = await command(trade, "clear", trade.name)

    assert (switched, cleared) == (0, 0)
    assert faults == (Fault("503", share=0.5, methods=("POST", "PATCH")),)
    assert trade.standin.faults.active() == ()


async def test_the_command_line_seeds_once_acts_and_shows_the_ledger(open_base, capsys):
    base = await open_base(seeded=False)

    await command(base, "seed")
    await command(base, "seed", base.name)
    await command(base, "act", base.name, "create", '{"set": "Catalog_Партнеры", "fields": {"Description": "Новый"}}')
    await command(base, "ledger", base.name)
    first, second, created, ledger = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert (first["added"] > 50, second["added"]) == (True, 0)
    assert [row["ref"] for row in ledger] == [created["Ref_Key"]]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/actions/onec.trade/fly", 404), ("/actions/onec.trade/add_payment", 400), ("/seed/onec.nowhere", 404)],
)
async def test_what_the_control_port_does_not_know_is_refused(trade, path, status):
    response = await trade.control.post(path)

    assert (response.status_code, "error" in response.json()) == (status, True)


async def test_an_unknown_name_makes_the_command_fail(trade):
    assert await command(trade, "ledger", "onec.nowhere") == 1


async def test_a_refusal_of_the_base_reaches_the_person(trade):
    response = await trade.act("post", set="Document_ЗаказКлиента", document="НЕТ-000001")

    assert response.status_code == 404


async def test_the_address_of_every_stand_in_is_shown(trade):
    (shown,) = (await trade.control.get("/standins")).json()

    assert (shown["name"], shown["kind"]) == ("onec.trade", "onec")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{shown['url']}/odata/standard.odata/")).status_code == 401


def test_an_object_and_its_ledger_row_are_stored_together_or_not_at_all(tmp_path):
    db = open_database(tmp_path / "state.sqlite", "CREATE TABLE things (name TEXT);")

    def interrupted():
        with transaction(db):
            db.execute("INSERT INTO things VALUES ('one')")
            append_ledger(db, "onec.trade", LedgerEntry("create", "things", "one", ""))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert (db.execute("SELECT * FROM things").fetchall(), read_ledger(db)) == ([], [])
    db.close()


def test_a_fault_ends_by_itself():
    now = [100.0]
    box = FaultBox(clock=lambda: now[0])
    box.switch_on(Fault("503", seconds=5), Fault("slow", seconds=1, lasts=3))

    now[0] = 104.0

    assert [fault.kind for fault in box.active()] == ["503"]


def test_a_fault_for_writes_spares_reads_unless_told_otherwise():
    box = FaultBox()
    box.switch_on(Fault("late_commit"), Fault("cut_after_commit", methods=("GET",)))

    assert box.pick(("late_commit",), "GET", "Catalog_Валюты") is None
    assert box.pick(("late_commit",), "PATCH", "Catalog_Валюты") is not None
    assert box.pick(("cut_after_commit",), "GET", "Catalog_Валюты") is not None


_WORDS = ["Number", "Товары/any(", "d:", "d/Цена", "Контрагент/ИНН", "Posted", "ДокументОснование", "Комментарий"]
_WORDS += [
    "eq",
    "ne",
    "gt",
    "and",
    "or",
    "not",
    "add",
    "div",
    "(",
    ")",
    ",",
    "'текст'",
    "''",
    "1",
    "-0.5",
    "true",
    "null",
]
_WORDS += ["guid'00000000-0000-0000-0000-000000000000'", "datetime'2026-01-01T00:00:00'", "datetime'x'", "+", "/"]
_WORDS += [
    "substringof(",
    "like(",
    "year(",
    "cast(",
    "'Document_ЗаказКлиента'",
    "round(",
    "concat(",
    "Date",
    "substring(",
]


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(_WORDS), max_size=9).map(" ".join))
def test_any_filter_is_answered_or_refused_in_the_language_of_odata(text):
    profile = load_profile("ut-11.5")
    evaluator = Evaluator(
        profile.sets, profile.sets["Document_ЗаказКлиента"], lambda *_: None, substring_of_unlimited=True
    )

    with suppress(ODataError):
        evaluator.check(parse_filter(text))
