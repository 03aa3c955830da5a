"""Faults of the portal, and what survives them."""

import asyncio
import os
import signal
import sys

import httpx
import pytest


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("query_limit", 503, "QUERY_LIMIT_EXCEEDED"),
        ("overload_limit", 503, "OVERLOAD_LIMIT"),
        ("401", 401, "INVALID_CREDENTIALS"),
        ("operation_time_limit", 429, "OPERATION_TIME_LIMIT"),
    ],
)
async def test_a_refusal_can_be_switched_on(portal, kind, status, code):
    await portal.fault(kind, count=1)

    refusal = await portal.refused("profile")

    assert refusal == (status, code)
    assert await portal.call("profile")


async def test_a_proxy_may_answer_html(portal):
    await portal.fault("html_502", count=1)

    response = await portal.raw("profile")

    assert response.status_code == 502
    assert response.headers["content-type"].startswith("text/html")


async def test_a_connection_cut_after_the_commit_leaves_the_deal(portal):
    await portal.fault("cut_after_commit", sets=["crm.deal.add"])

    with pytest.raises(httpx.TransportError):
        await portal.raw("crm.deal.add", fields={"ORIGIN_ID": "1"})

    assert len(await portal.call("crm.deal.list", filter={"ORIGIN_ID": "1"})) == 1


async def test_reads_are_not_hit_by_faults_of_writes(portal):
    await portal.fault("cut_after_commit")

    found = await portal.call("crm.deal.list")

    assert found == []


async def test_a_late_write_commits_after_its_client_has_gone(portal, eventually):
    await portal.fault("late_commit", seconds=0.2)

    with pytest.raises(httpx.ReadTimeout):
        await portal.http.post("crm.deal.add", json={"fields": {"ORIGIN_ID": "1"}}, timeout=0.05)
    before = await portal.call("crm.deal.list", filter={"ORIGIN_ID": "1"})

    async def committed():
        return await portal.call("crm.deal.list", filter={"ORIGIN_ID": "1"})

    assert before == []
    assert len(await eventually(committed)) == 1


async def test_a_new_object_may_appear_in_lists_later(portal):
    await portal.fault("late_search", seconds=60)

    number = await portal.call("crm.deal.add", fields={})

    assert (await portal.call("crm.deal.get", id=number))["ID"] == str(number)
    assert await portal.call("crm.deal.list", filter={"ID": number}) == []
    assert (await portal.call("crm.item.list", entityTypeId=2, filter={"id": number}))["items"] == []


async def test_what_was_answered_survives_kill_9(tmp_path):
    config = tmp_path / "standins.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n[standins."bitrix24.portal"]\ncapacity = 0\n', "utf-8")
    first = await started(config)
    async with httpx.AsyncClient(base_url=first.url, trust_env=False) as client:
        made = [(await client.post("crm.deal.add", json={"fields": {}})).json()["result"] for _ in range(20)]
    await first.kill()

    second = await started(config)
    async with httpx.AsyncClient(base_url=second.url, trust_env=False) as client:
        deals = (await client.post("crm.deal.list", json={"select": ["ID"]})).json()["result"]
        fresh = (await client.post("crm.deal.add", json={"fields": {}})).json()["result"]
    await second.kill()

    assert [int(deal["ID"]) for deal in deals] == made
    assert fresh == made[-1] + 1


class Process:
    """The stand-ins as a process of their own."""

    def __init__(self, process, url):
        self.process = process
        self.url = url

    async def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.communicate()


async def started(config):
    arguments = ("-m", "esb_standins", "serve", "--config", str(config))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    return Process(process, httpx.Response(200, content=line).json()["standins"]["bitrix24.portal"])
