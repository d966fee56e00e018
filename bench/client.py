"""What one call costs in CPU of the calling process: our HTTP client beside others that are installed.

The server is a process of its own that answers any request at once. httpcore is measured as it would be used here:
with a `network_backend` that resolves, asks the guard about each address, and connects to a checked one. aiohttp is
measured where it is installed (it is no dependency): in its resolver, which is public too, stands the same guard.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import httpcore
import httpx

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.dialling import system_resolver
from medspace.adapters.http.guard import Guard

CALLS = 2000
TOGETHER = 10
BODY = b'{"a": 1}'
LARGE = 256 << 20  # bytes of the body that is streamed
PIECE = bytes(1 << 18)

Call = Callable[[], Awaitable[None]]


def measure() -> dict[str, dict[str, Any]]:
    """CPU of one small POST over kept connections, one at a time and ten at once, for each client."""
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        found = {name: asyncio.run(_costs(client, url)) for name, client in CLIENTS.items()}
    finally:
        server.kill()
        server.wait()
    own = found.pop("own")
    measures = {}
    for at, key in enumerate(("http.call_ms", "http.call_ms.ten", "http.stream_ms_per_mb")):
        others = ", ".join(f"{name} {costs[at]:.2f}" for name, costs in found.items() if costs[at])
        measures[key] = {"value": own[at], "unit": "ms", "reference": others, "target": ""}
    return measures


async def _costs(client: Callable[[str], Any], url: str) -> tuple[float, float, float]:
    async with client(url) as (call, stream):
        for _ in range(100):
            await call()
        one = await _cpu(_repeated(call, CALLS), CALLS)
        ten = await _cpu(asyncio.gather(*(_repeated(call, CALLS // TOGETHER) for _ in range(TOGETHER))), CALLS)
        return one, ten, await _cpu(stream(), LARGE >> 20)


async def _repeated(call: Call, times: int) -> None:
    for _ in range(times):
        await call()


async def _cpu(work: Awaitable[Any], parts: int) -> float:
    """Milliseconds of this process for each part."""
    began = time.process_time()
    await work
    return (time.process_time() - began) * 1000 / parts


@asynccontextmanager
async def _own(url: str) -> AsyncIterator[tuple[Call, Call]]:
    client = HttpClient(Guard(loopback=True))

    async def call() -> None:
        answer = await client.request("POST", f"{url}/", body=BODY)
        assert answer.status == 200

    async def stream() -> None:
        async with client.stream("GET", f"{url}/large", limit=LARGE) as answer:
            assert sum([len(piece) async for piece in answer.pieces]) == LARGE

    yield call, stream
    await client.close()


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to what the guard has checked."""

    def __init__(self) -> None:
        self._guard = Guard(loopback=True)
        self._system = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = self._guard.check_addresses(host, host, await system_resolver(host, port))
        return await self._system.connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)


@asynccontextmanager
async def _httpcore(url: str) -> AsyncIterator[tuple[Call, Call]]:
    async with httpcore.AsyncConnectionPool(network_backend=_Backend()) as pool:

        async def call() -> None:
            answer = await pool.request("POST", f"{url}/", content=BODY)
            assert answer.status == 200

        async def stream() -> None:
            async with pool.stream("GET", f"{url}/large") as answer:
                assert sum([len(piece) async for piece in answer.aiter_stream()]) == LARGE

        yield call, stream


@asynccontextmanager
async def _httpx(url: str) -> AsyncIterator[tuple[Call, Call]]:
    async with httpx.AsyncClient() as client:

        async def call() -> None:
            answer = await client.post(f"{url}/", content=BODY)
            assert answer.status_code == 200

        async def stream() -> None:
            async with client.stream("GET", f"{url}/large") as answer:
                assert sum([len(piece) async for piece in answer.aiter_raw()]) == LARGE

        yield call, stream


@asynccontextmanager
async def _aiohttp(url: str) -> AsyncIterator[tuple[Call, Call]]:
    import aiohttp  # noqa: PLC0415 - where it is installed
    from aiohttp.abc import AbstractResolver  # noqa: PLC0415

    class Guarded(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Mapping[str, Any]]:
            addresses = Guard(loopback=True).check_addresses(host, host, await system_resolver(host, port))
            flags = socket.AI_NUMERICHOST
            return [
                {"hostname": host, "host": str(one), "port": port, "family": family, "proto": 0, "flags": flags}
                for one in addresses
            ]

        async def close(self) -> None:
            pass

    connector = aiohttp.TCPConnector(resolver=Guarded())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call() -> None:
            async with session.post(f"{url}/", data=BODY) as answer:
                assert answer.status == 200
                await answer.read()

        async def stream() -> None:
            async with session.get(f"{url}/large") as answer:
                assert sum([len(piece) async for piece in answer.content.iter_any()]) == LARGE

        yield call, stream


CLIENTS: dict[str, Callable[[str], Any]] = {"own": _own, "httpcore": _httpcore, "httpx": _httpx}
if find_spec("aiohttp"):
    CLIENTS["aiohttp"] = _aiohttp


_SERVER = f"""
import asyncio
PIECE, LARGE = bytes({len(PIECE)}), {LARGE}
SMALL = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}"
async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            lines = head.lower().split(b"\\r\\n")
            length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            await reader.readexactly(length)
            if head.startswith(b"GET /large"):
                writer.write(f"HTTP/1.1 200 OK\\r\\nContent-Length: {{LARGE}}\\r\\n\\r\\n".encode())
                for _ in range(LARGE // len(PIECE)):
                    writer.write(PIECE)
                    await writer.drain()
            else:
                writer.write(SMALL)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
