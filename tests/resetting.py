"""A server that hangs up at the worst moment, and the event loop of `esb run`, which has words of its own for it."""

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager

import uvloop

RESET = struct.pack("ii", 1, 0)


@contextmanager
def resetting_server():
    """Resets every connection as soon as it is accepted, in a thread of its own: also before the first byte is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def under_uvloop(coroutine):
    """As `esb run` does: its transports refuse to write after a reset in a way of their own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)
