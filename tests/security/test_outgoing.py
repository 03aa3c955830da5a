"""What a partner's system, or somebody in its place, may make our HTTP client do."""

import ast
import asyncio
import gzip
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from esb_bus import outgoing
from esb_bus.outgoing import open_http

ROOT = Path(__file__).parents[2]
PRODUCT = ("adapters/esb_adapters", "bus/esb_bus", "schemas/esb_schemas", "transformers/esb_transformers")
SECRET = "Basic c2VjcmV0"


class Partner:
    """Answers every request with the same bytes and remembers what was asked."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.port = 0

    async def serve(self, reader, writer):
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"


@asynccontextmanager
async def partner(answer):
    one = Partner(answer)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


def answer(body, **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


async def test_a_redirect_is_an_answer_and_not_an_order():
    async with partner(answer(b"inside")) as inner:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {inner.url}\r\nContent-Length: 0\r\n\r\n".encode()
        async with partner(moved) as outer, open_http(timeout=5, headers={"Authorization": SECRET}) as client:
            response = await client.get(outer.url)

        assert response.status_code == 302
        assert inner.asked == []


async def test_the_environment_leads_no_request_elsewhere(monkeypatch):
    async with partner(answer(b"proxied")) as proxy, partner(answer(b"{}")) as real:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)

        async with open_http(timeout=5) as client:
            response = await client.get(real.url)

        assert (response.content, proxy.asked) == (b"{}", [])


async def test_a_compressed_answer_is_neither_asked_for_nor_unpacked():
    async with partner(answer(gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip")) as one:
        async with open_http(timeout=5) as client:
            with pytest.raises(httpx.ReadError, match="compressed"):
                await client.get(one.url)

        assert b"accept-encoding: identity" in one.asked[0].lower()


async def test_an_endless_answer_is_read_to_its_limit(monkeypatch):
    monkeypatch.setattr(outgoing, "MAX_ANSWER_BYTES", 100_000)
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000

    async with partner(endless) as one, open_http(timeout=5) as client:
        with pytest.raises(httpx.ReadError, match="longer than"):
            await client.get(one.url)


def modules():
    return [(path, ast.parse(path.read_text("utf-8"))) for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")]


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


def test_nothing_reads_xml_pickles_or_starts_programs():
    forbidden = {
        "xml",
        "lxml",
        "pickle",
        "marshal",
        "shelve",
        "subprocess",
        "yaml",
        "zipfile",
        "tarfile",
        "gzip",
        "zlib",
    }

    found = {(path.name, name) for path, tree in modules() for name in imported(tree) if name in forbidden}

    assert found == set()


def test_every_http_client_is_the_guarded_one():
    makers = {"AsyncClient", "Client", "get", "post", "request", "AsyncHTTPTransport"}
    calls = {
        (path.name, node.func.attr)
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "httpx"
        and node.func.attr in makers
    }

    assert calls == {("outgoing.py", "AsyncClient"), ("outgoing.py", "AsyncHTTPTransport")}


def test_no_verification_is_switched_off():
    off = [
        (path.name, word.arg)
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg in {"verify", "check_hostname", "ssl_check_hostname", "follow_redirects", "trust_env"}
        and isinstance(word.value, ast.Constant)
        and word.value.value is (word.arg in {"follow_redirects", "trust_env"})
    ]

    assert off == []
