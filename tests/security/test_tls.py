"""TLS towards the broker, Redis and partners: our own authority is believed, another one or another name is not."""

import asyncio
import os
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from redis.exceptions import RedisError

from esb_bus.broker import Declarer
from esb_bus.cache import open_redis
from esb_bus.errors import BrokerUnavailable
from esb_bus.outgoing import open_http
from esb_bus.settings import Settings
from esb_bus.tls import AuthorityUnusable, client_context, trust
from esb_bus.topology import store_queue
from esb_bus.wire import Link
from esb_standins.nodes import NodesUnavailable, PrivateServer
from esb_standins.nodes.claim import claim_near
from esb_standins.nodes.packages import binaries
from esb_standins.nodes.ports import free_port
from esb_standins.nodes.private import cache_of
from esb_standins.nodes.rabbitmq import rabbitmq_plan

RUN_DIR = Path(__file__).parents[2] / ".run" / "security"
NAME = "localhost"


@dataclass(frozen=True)
class Authority:
    """A throw-away authority and a server certificate it has signed."""

    directory: Path

    @property
    def certificate(self):
        return self.directory / "ca.pem"

    @property
    def server(self):
        return self.directory / "server.pem"

    @property
    def key(self):
        return self.directory / "server.key"


def openssl(directory, *arguments):
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl to make certificates with")
    subprocess.run([program, *arguments], cwd=directory, check=True, capture_output=True, timeout=30)  # noqa: S603


def authority(directory):
    directory.mkdir(parents=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        directory, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA"
    )
    openssl(directory, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={NAME}")
    (directory / "names").write_text(f"subjectAltName=DNS:{NAME}\nbasicConstraints=CA:FALSE\n", encoding="utf-8")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    return Authority(directory)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("tls") / "stranger")


@pytest.fixture
def trusting(monkeypatch):
    """Trust an authority until the end of the test."""
    monkeypatch.setenv("SSL_CERT_FILE", os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    return lambda one: trust(one.certificate)


@asynccontextmanager
async def tls_before(port, ours):
    """A TLS end in front of a plain server, as a proxy or `stunnel` is; yields its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(ours.server, ours.key)

    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except (OSError, ssl.SSLError):
            return
        finally:
            writer.close()

    async def serve(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def port_of(url):
    return httpx.URL(url.replace("amqp://", "http://").replace("redis://", "http://")).port


def through(url, port, host=NAME):
    """The same account by TLS at another port."""
    account, _, rest = url.partition("://")[2].rpartition("@")
    path = rest.partition("/")[2]
    scheme = "amqps" if url.startswith("amqp") else "rediss"
    return f"{scheme}://{account}@{host}:{port}/{path}"


async def test_the_broker_is_reached_by_tls_with_our_authority(servers, ours, trusting, unique):
    trusting(ours)
    async with tls_before(port_of(servers.amqp_url), ours) as port:
        url = through(servers.amqp_url, port)
        link = await Link.open(url, "tls")
        await Declarer(url, [store_queue(unique, "")]).declare_all()

        assert await link.ready_count(unique) == 0
        await link.close()


@pytest.mark.parametrize("host", [NAME, "127.0.0.1"], ids=["wrong-authority", "wrong-name"])
async def test_a_broker_that_is_not_the_one_is_refused(servers, ours, stranger, trusting, host):
    trusting(ours if host != NAME else stranger)
    async with tls_before(port_of(servers.amqp_url), ours) as port:
        url = through(servers.amqp_url, port, host)

        with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await Link.open(url, "tls")
        with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await Declarer(url, []).declare_all()


@asynccontextmanager
async def broker_with_tls(ours):
    """RabbitMQ's own TLS, whose versions and ciphers are Erlang's; yields account and port."""
    with claim_near(RUN_DIR / "tls") as claimed:
        plan = rabbitmq_plan(claimed.directory / "rabbitmq", binaries(cache_of(claimed.directory)))
        port = free_port()
        lines = {
            "listeners.ssl.1": f"127.0.0.1:{port}",
            "ssl_options.cacertfile": ours.certificate,
            "ssl_options.certfile": ours.server,
            "ssl_options.keyfile": ours.key,
        }
        configuration = plan.files["rabbitmq.conf"] + "".join(f"{name} = {value}\n" for name, value in lines.items())
        files = {**plan.files, "rabbitmq.conf": configuration}
        server = PrivateServer(replace(plan, files=files), lock=claimed.descriptor)
        await server.start()
        try:
            yield server.address.amqp_url, port
        finally:
            await server.discard()


async def test_a_broker_with_tls_of_its_own(ours, stranger, trusting, unique):
    try:
        async with broker_with_tls(ours) as (plain, port):
            trusting(ours)
            link = await Link.open(through(plain, port), "tls")
            await Declarer(through(plain, port), [store_queue(unique, "")]).declare_all()
            count = await link.ready_count(unique)
            await link.close()
            with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await Link.open(through(plain, port, "127.0.0.1"), "wrong name")
            trusting(stranger)
            with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await Link.open(through(plain, port), "wrong authority")
    except NodesUnavailable as error:
        pytest.skip(f"no broker to test with: {error}")

    assert count == 0


async def test_redis_is_reached_by_tls_with_our_authority(servers, ours, trusting):
    trusting(ours)
    async with (
        tls_before(port_of(servers.redis_url), ours) as port,
        open_redis(through(servers.redis_url, port)) as connection,
    ):
        assert await connection.ping()


@pytest.mark.parametrize("host", [NAME, "127.0.0.1"], ids=["wrong-authority", "wrong-name"])
async def test_a_redis_that_is_not_the_one_is_refused(servers, ours, stranger, trusting, host):
    trusting(ours if host != NAME else stranger)
    async with (
        tls_before(port_of(servers.redis_url), ours) as port,
        open_redis(through(servers.redis_url, port, host)) as connection,
    ):
        with pytest.raises(RedisError, match="CERTIFICATE_VERIFY_FAILED"):
            await connection.ping()


@pytest.mark.parametrize(
    ("host", "is_believed"), [(NAME, True), (NAME, False), ("127.0.0.1", True)], ids=["ours", "authority", "name"]
)
async def test_a_partner_is_verified(ours, stranger, trusting, host, is_believed):
    trusting(ours if is_believed else stranger)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    plain = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with plain, tls_before(plain.sockets[0].getsockname()[1], ours) as port, open_http(timeout=5) as client:
        if host == NAME and is_believed:
            assert (await client.get(f"https://{host}:{port}/")).text == "{}"
        else:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"https://{host}:{port}/")


def test_old_protocols_are_not_spoken():
    context = client_context()

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\n"], ids=["missing", "empty", "broken"])
def test_a_file_that_is_no_authority_stops_the_start(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="ascii")

    with pytest.raises(AuthorityUnusable, match=r"ca\.pem"):
        trust(file)


@pytest.mark.parametrize(
    "settings",
    [
        {"amqp_url": "amqps://u:s3cr3t@broker/%2F?no_verify_ssl=1"},
        {"amqp_url": "amqp://u:p@broker/", "redis_url": "rediss://:s3cr3t@redis/0?ssl_cert_reqs=none"},
        {"amqp_url": "amqp://u:p@broker/", "redis_url": "rediss://:s3cr3t@redis/0?ssl_check_hostname=false"},
    ],
    ids=["amqp", "redis", "redis-name"],
)
def test_no_address_switches_verification_off(settings):
    with pytest.raises(ValidationError, match="ESB_CA_FILE"):
        Settings(**settings)
