"""A private RabbitMQ node: own ports, data, cookie and user, loopback only, no epmd."""

import asyncio
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from esb_standins.nodes import plugins
from esb_standins.nodes.errors import NodesUnavailable
from esb_standins.nodes.packages import Binaries
from esb_standins.nodes.ports import LOOPBACK, free_ports
from esb_standins.nodes.server import Plan

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


@dataclass(frozen=True, slots=True)
class RabbitAddress:
    """Ports and account of one node."""

    amqp_port: int
    management_port: int
    stream_port: int
    distribution_port: int
    user: str
    password: str

    @property
    def amqp_url(self) -> str:
        return f"amqp://{self.user}:{self.password}@{LOOPBACK}:{self.amqp_port}/%2F"

    @property
    def management_url(self) -> str:
        return f"http://{self.user}:{self.password}@{LOOPBACK}:{self.management_port}"


@dataclass(frozen=True, slots=True)
class Identity:
    """How one node is known to others.

    Args:
        node: its name in Erlang.
        interface: address on which it listens for other nodes.
        cookie: what nodes of one cluster share.
        ticktime_s: how long another node may be silent. A private node is named on the command line, so Erlang
            wants to know this before RabbitMQ reads `net_ticktime` in its configuration.
        hosts: addresses by host name, known to this node alone; none means the machine's own names.
    """

    node: str = "esb@localhost"
    interface: str = LOOPBACK
    cookie: str = field(default_factory=lambda: secrets.token_hex(20))
    ticktime_s: int = 60
    hosts: Mapping[str, str] = field(default_factory=dict)


def rabbitmq_plan(
    directory: Path, binaries: Binaries, address: RabbitAddress | None = None, identity: Identity | None = None
) -> Plan[RabbitAddress]:
    """Plan a node; without an address it gets new ports and a new password."""
    if any(letter.isspace() for letter in str(directory)):
        raise NodesUnavailable(f"{directory}: RabbitMQ's scripts cannot run in a path with spaces")
    address, identity = address or new_address(), identity or Identity()
    return Plan(
        name="RabbitMQ",
        directory=directory,
        address=address,
        command=(str(directory / "server/sbin/rabbitmq-server"), *erlang_arguments(address, directory, identity)),
        environment=environment(address, directory, binaries, identity),
        files={
            "inetrc": inetrc(identity),
            "home/.erlang.cookie": identity.cookie,
            "rabbitmq.conf": configuration(address),
            "enabled_plugins": f"[{','.join(plugins.ENABLED)}].\n",
        },
        programs={"bin/erl": erl_script(address, directory, binaries)},
        folders=("bin", "home", "data", "log", "server/plugins"),
        links=plugins.links(binaries.rabbitmq_home),
        answers=is_ready,
        start_s=60,
        # A clean stop of an idle node takes about seven seconds; a busy one gets more.
        stop_s=30,
    )


def new_address() -> RabbitAddress:
    amqp, management, stream, distribution = free_ports(4)
    return RabbitAddress(amqp, management, stream, distribution, user="esb", password=secrets.token_urlsafe(18))


def configuration(address: RabbitAddress) -> str:
    """Return `rabbitmq.conf`: loopback only, and modest in memory and disk."""
    settings = {
        "listeners.tcp.1": f"{LOOPBACK}:{address.amqp_port}",
        "management.tcp.ip": LOOPBACK,
        "management.tcp.port": address.management_port,
        "stream.listeners.tcp.1": f"{LOOPBACK}:{address.stream_port}",
        "default_user": address.user,
        "default_pass": address.password,
        "disk_free_limit.absolute": "50MB",
        "vm_memory_high_watermark.absolute": "1GB",
        # Quorum queues keep their log in memory until it is rolled; the default is 512 MB.
        "raft.wal_max_size_bytes": 67_108_864,
        "log.console": "false",
        "log.file.level": "info",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def erlang_arguments(address: RabbitAddress, directory: Path, identity: Identity) -> tuple[str, ...]:
    """Return what the runtime gets beyond RabbitMQ's own arguments.

    The node is named by us and told its distribution port, so it neither starts nor asks an epmd: nothing of it
    outlives the process, and a second checkout cannot meet it there.
    """
    schedulers = min(4, os.cpu_count() or 1)
    port = str(address.distribution_port)
    return (
        *("-sname", identity.node, "-start_epmd", "false", "-erl_epmd_port", port),
        *("-kernel", "inet_dist_use_interface", f"{{{identity.interface.replace('.', ',')}}}"),
        *("-kernel", "net_ticktime", str(identity.ticktime_s)),
        *("-kernel", "inet_dist_listen_min", port, "-kernel", "inet_dist_listen_max", port),
        *("+S", f"{schedulers}:{schedulers}", "+A", "16"),
        *("-esb_run_dir", str(directory)),  # unknown to Erlang; makes the process recognisable as ours
    )


def environment(address: RabbitAddress, directory: Path, binaries: Binaries, identity: Identity) -> dict[str, str]:
    return {
        "PATH": f"{directory / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(directory / "home"),
        "LANG": "C.UTF-8",
        "LD_LIBRARY_PATH": binaries.library_path,
        # Makes RabbitMQ's script replace itself by the runtime instead of staying in front of it.
        "RUNNING_UNDER_SYSTEMD": "true",
        "RABBITMQ_SCRIPTS_DIR": str(directory / "server/sbin"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(directory / "data"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_NODENAME": identity.node,
        "ERL_INETRC": str(directory / "inetrc"),
        "RABBITMQ_DIST_PORT": str(address.distribution_port),
    }


def inetrc(identity: Identity) -> str:
    """Return Erlang's own host table; an empty file leaves names to the machine."""
    lines = [f'{{host,{{{address.replace(".", ",")}}},["{name}"]}}.\n' for name, address in identity.hosts.items()]
    return "".join([*lines, "{lookup,[file,native]}.\n"] if lines else [])


def erl_script(address: RabbitAddress, directory: Path, binaries: Binaries) -> str:
    """Return an `erl` that works wherever the packages were unpacked; the packaged one knows only `/usr/lib`.

    RabbitMQ 4 starts a helper by the same name while it looks for the nodes of its cluster: it gets no epmd either.
    """
    erlexec = binaries.erlexec
    return (
        "#!/bin/sh\n"
        f"export ROOTDIR='{binaries.erlang_root}' BINDIR='{erlexec.parent}' EMU=beam PROGNAME='{directory}/bin/erl'\n"
        'case " $* " in *" -esb_run_dir "*) ;; '
        f'*) set -- -start_epmd false -erl_epmd_port {address.distribution_port} -dist_listen false "$@" ;; esac\n'
        f"exec '{erlexec}' \"$@\"\n"
    )


async def is_ready(address: RabbitAddress) -> bool:
    return await speaks_amqp(address.amqp_port) and await manages(address)


async def speaks_amqp(port: int) -> bool:
    """Tell whether the broker opens an AMQP conversation: its first frame is the method Connection.Start."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    try:
        writer.write(_PROTOCOL_HEADER)
        return await asyncio.wait_for(reader.read(1), timeout=2) == _METHOD_FRAME
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


async def manages(address: RabbitAddress) -> bool:
    try:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            answer = await client.get(f"{address.management_url}/api/overview")
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK
