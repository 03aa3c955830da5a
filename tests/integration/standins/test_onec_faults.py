"""Faults of a 1C base, switched at run time."""

import asyncio
import json
import os
import signal
import sys
import time

import httpx
import pytest

ORDERS = "Document_ЗаказКлиента"


async def committed(base):
    return len(await base.ledger())


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("401", 401, "Unauthorized"),
        ("503", 503, "Service Unavailable"),
        ("licence", 500, "Не обнаружена лицензия"),
        ("pool_exhausted", 406, "Not Acceptable"),
    ],
)
async def test_answers_that_are_not_json_and_commit_nothing(trade, kind, status, text):
    await trade.fault(kind)

    response = await trade.post(ORDERS, {})

    assert (response.status_code, response.headers["content-type"]) == (status, "text/html;charset=utf-8")
    assert text in response.text
    assert await committed(trade) == 0


async def test_a_base_that_is_down_refuses_connections_and_comes_back_by_itself(trade, eventually):
    await trade.fault("down", seconds=0.2)

    with pytest.raises(httpx.ConnectError):
        await trade.get("Catalog_Валюты")

    async def answers():
        try:
            return (await trade.get("Catalog_Валюты")).status_code == 200
        except httpx.ConnectError:
            return False

    assert await eventually(answers)


async def test_clearing_brings_a_base_back_on_the_same_port(trade, eventually):
    await trade.fault("down")
    await trade.clear()

    async def is_open():
        return (await trade.control.get("/standins")).json()[0]["is_open"]

    await eventually(is_open)
    assert (await trade.get("Catalog_Валюты")).status_code == 200


async def test_a_black_hole_accepts_and_never_answers(trade):
    await trade.fault("blackhole")

    with pytest.raises(httpx.ReadTimeout):
        await trade.http.post(ORDERS, json={}, timeout=0.2)

    assert await committed(trade) == 0


@pytest.mark.parametrize("kind", ["502_after_commit", "cut_after_commit"])
async def test_a_lost_answer_leaves_the_object_behind(trade, kind):
    await trade.fault(kind)

    try:
        status = (await trade.post(ORDERS, {})).status_code
    except httpx.TransportError:
        status = 0

    assert status in {0, 502}
    assert await committed(trade) == 1


async def test_a_refused_write_is_refused_openly_even_when_answers_get_lost(trade):
    await trade.fault("502_after_commit")

    response = await trade.post(ORDERS, {"Статус": "НетТакого"})

    assert response.status_code == 400


async def test_a_connection_cut_before_the_commit_leaves_nothing(trade):
    await trade.fault("cut_before_commit")

    with pytest.raises(httpx.TransportError):
        await trade.post(ORDERS, {})

    assert await committed(trade) == 0


async def test_a_write_commits_after_its_client_has_gone(trade, eventually):
    await trade.fault("late_commit", seconds=0.5)

    with pytest.raises(httpx.ReadTimeout):
        await trade.http.post(ORDERS, json={}, timeout=0.1)
    gone_at = time.time()
    before = await committed(trade)

    await eventually(lambda: committed(trade))
    row = (await trade.ledger())[0]
    assert before == 0
    assert row["time"] > gone_at


async def test_a_write_commits_at_once_and_answers_too_late(trade):
    await trade.fault("timeout_after_commit", seconds=3)

    with pytest.raises(httpx.ReadTimeout):
        await trade.http.post(ORDERS, json={}, timeout=0.2)

    assert await committed(trade) == 1


async def test_reads_are_not_hit_by_faults_of_writes(trade):
    await trade.fault("late_commit", seconds=60)

    response = await trade.get("Catalog_Валюты")

    assert response.status_code == 200


async def test_a_slow_base_answers_after_its_delay(trade):
    await trade.fault("slow", seconds=0.2)
    began = time.monotonic()

    response = await trade.get("Catalog_Валюты")

    assert response.status_code == 200
    assert time.monotonic() - began >= 0.2


async def test_posting_is_refused_for_one_number_only(trade):
    refused, accepted = await trade.order(), await trade.order()
    await trade.fault("posting_refused", numbers=[refused["Number"]])

    statuses = [
        (await trade.post(f"{ORDERS}(guid'{order['Ref_Key']}')/Post")).status_code for order in (refused, accepted)
    ]

    assert statuses == [500, 200]


async def test_a_closed_period_says_so(trade):
    await trade.fault("period_closed", until="2026-10-31")

    old = await trade.post(ORDERS, {"Date": "2026-10-31T23:00:00"})
    new = await trade.post(ORDERS, {"Date": "2026-11-01T00:00:00"})

    assert (old.status_code, new.status_code) == (500, 201)
    assert "с датой ранее 31.10.2026 (включительно)" in old.json()["odata.error"]["message"]["value"]


async def test_a_lock_conflict_commits_nothing_and_ends_after_its_count(trade):
    await trade.fault("lock_conflict", count=1)

    statuses = [(await trade.post(ORDERS, {})).status_code for _ in range(2)]

    assert statuses == [500, 201]
    assert await committed(trade) == 1


async def test_a_new_object_is_found_by_key_at_once_and_by_search_later(trade, eventually):
    await trade.fault("late_search", seconds=0.4)
    order = await trade.order(Number="WS-00000001")

    by_key = await trade.get(f"{ORDERS}(guid'{order['Ref_Key']}')")
    at_once = await trade.find(ORDERS, "Number eq 'WS-00000001'")
    later = await eventually(lambda: trade.find(ORDERS, "Number eq 'WS-00000001'"))

    assert (by_key.status_code, at_once, len(later)) == (200, [], 1)


async def test_uniqueness_can_be_switched_off(trade):
    await trade.order(Number="WS-00000001")
    await trade.fault("number_uniqueness_off")

    again = await trade.order(Number="WS-00000001")

    assert again["Number"] == "WS-00000001"


async def test_a_share_hits_some_requests_and_the_same_ones_in_every_run(trade):
    outcomes = []
    for _ in range(2):
        await trade.fault("503", share=0.5, seed=7)
        outcomes.append([(await trade.get("Catalog_Валюты")).status_code for _ in range(20)])

    assert outcomes[0] == outcomes[1]
    assert set(outcomes[0]) == {200, 503}


async def test_an_unknown_member_of_a_fault_is_refused(trade):
    response = await trade.control.put(f"/faults/{trade.name}", json={"kind": "503", "secnds": 1})

    assert response.status_code == 400


CONFIG = """
control_port = 0
state_dir = "{state}"
[standins."onec.trade"]
profile = "ut-11.5"
"""


async def started(tmp_path):
    (tmp_path / "standins.toml").write_text(CONFIG.format(state=tmp_path), "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "esb_standins", "serve", "--config", str(tmp_path / "standins.toml"),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    return process, json.loads(line)


async def test_committed_writes_survive_a_kill_of_the_process(tmp_path):
    process, addresses = await started(tmp_path)
    answered, enough = [], asyncio.Event()

    async with httpx.AsyncClient(trust_env=False) as client:
        writes = asyncio.create_task(_keep_writing(client, addresses["standins"]["onec.trade"], answered, enough))
        await asyncio.wait_for(enough.wait(), 20)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await writes

    process, addresses = await started(tmp_path)
    async with httpx.AsyncClient(trust_env=False) as client:
        ledger = (await client.get(f"{addresses['control']}/ledger/onec.trade")).json()
        objects = (await client.get(f"{addresses['control']}/objects/onec.trade/Catalog_Партнеры")).json()
    process.terminate()
    await process.wait()

    assert set(answered) <= {row["ref"] for row in ledger}
    assert [row["ref"] for row in ledger] == [item["Ref_Key"] for item in objects]


async def _keep_writing(client, url, answered, enough):
    try:
        while True:
            response = await client.post(
                f"{url}/odata/standard.odata/Catalog_Партнеры?$format=json", json={"Description": "Партнёр"}
            )
            answered.append(response.json()["Ref_Key"])
            if len(answered) == 25:
                enough.set()
    except httpx.TransportError:
        return
