"""Raises the memory and the disk alarm of a private node: a second Erlang node asks it to lower its limits.

The private node has registered with no epmd. Whoever wants to speak to it has to be told its port by one: so for the
time of a question we are the epmd. Protocol: Erlang distribution protocol, "PORT_PLEASE2_REQ".
"""

import asyncio
import struct
from typing import Final

from esb_standins.nodes import NodeFailed
from esb_standins.nodes.ports import LOOPBACK, free_port
from esb_standins.nodes.rabbitmq import RabbitAddress
from esb_standins.nodes.server import PrivateServer

MEMORY: Final = 'vm_memory_monitor:set_vm_memory_high_watermark({{absolute, "{}"}})'
DISK: Final = 'rabbit_disk_monitor:set_disk_free_limit("{}")'
NODE_NAME: Final = "esb@localhost"
RAISED: Final = {"memory": MEMORY.format("1MB"), "disk": DISK.format("999999GB")}
CLEARED: Final = {"memory": MEMORY.format("1GB"), "disk": DISK.format("50MB")}

PATIENCE_S = 30
_PORT_PLEASE2_RESP, _OK, _ERLANG_NODE, _TCP, _HIGHEST, _LOWEST = 119, 0, 77, 0, 6, 5


async def call(broker: PrivateServer[RabbitAddress], expression: str) -> None:
    """Evaluate `module:function(argument)` in the node.

    Raises:
        NodeFailed: the node did not answer `ok`.
    """
    port = free_port()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        name = (await reader.readexactly(length))[1:]
        numbers = (_PORT_PLEASE2_RESP, _OK, broker.address.distribution_port, _ERLANG_NODE, _TCP, _HIGHEST, _LOWEST)
        writer.write(struct.pack("!BBHBBHH", *numbers) + struct.pack("!H", len(name)) + name + bytes(2))
        writer.close()

    async with await asyncio.start_server(answer, LOOPBACK, port):
        output = await _evaluated(broker, expression, port)
    if output != "ok":
        raise NodeFailed(f"{expression}: {output}")


async def _evaluated(broker: PrivateServer[RabbitAddress], expression: str, epmd_port: int) -> str:
    module, _, rest = expression.partition(":")
    function, _, argument = rest.partition("(")
    call_ = f"rpc:call('{NODE_NAME}', {module}, {function}, [{argument.removesuffix(')')}])"
    process = await asyncio.create_subprocess_exec(
        str(broker.directory / "bin/erl"),
        *("-sname", "chaos@localhost", "-start_epmd", "false", "-epmd_port", str(epmd_port), "-dist_listen", "false"),
        *("-noinput", "-eval", f'io:format("~p", [{call_}]), halt().'),
        env=dict(broker._plan.environment),
        cwd=broker.directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    return output.decode().strip()
