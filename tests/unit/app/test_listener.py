"""A listener's sockets."""

import asyncio
import socket

from medspace.app.node.listening.listener import bind


class _Watching(asyncio.Protocol):
    def __init__(self, seen: "asyncio.Future[int]") -> None:
        self._seen = seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        accepted = transport.get_extra_info("socket")
        self._seen.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        transport.close()


async def _nodelay() -> int:
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[int] = loop.create_future()
    with bind("127.0.0.1", 0) as listening:
        async with await loop.create_server(lambda: _Watching(seen), sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            found = await seen
            writer.close()
            await writer.wait_closed()
    return found


def test_answers_do_not_wait_for_delayed_acknowledgements() -> None:
    assert asyncio.run(_nodelay())
