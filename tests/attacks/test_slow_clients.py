"""A client that sends a head too slowly, or without end, loses its connection; others are served meanwhile."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from medspace.app import listener


@asynccontextmanager
async def listening():
    async def hello(_):
        return PlainTextResponse("hello")

    server = listener.Listener(Starlette(routes=[Route("/", hello)]))
    with listener.bind("127.0.0.1", 0) as bound:
        task = asyncio.create_task(server.serve(sockets=[bound]))
        await server.ready.wait()
        yield bound.getsockname()[1]
        server.should_exit = True
        await task


async def ask(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_head_that_does_not_end_in_time_is_cut_off(monkeypatch):
    monkeypatch.setattr(listener, "SLOWEST_HEAD", 0.2)
    async with listening() as port:
        slow = asyncio.create_task(ask(port, b"GET / HTTP/1.1\r\nHost: here\r\n"))
        quick = await ask(port, b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert quick.endswith(b"hello")
        assert await slow == b""


async def test_a_second_request_on_one_connection_is_bounded_too(monkeypatch):
    monkeypatch.setattr(listener, "SLOWEST_HEAD", 0.2)
    async with listening() as port:
        answered = await ask(port, b"GET / HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\nHost")
        assert answered.count(b"hello") == 1


async def test_a_head_without_end_is_cut_off(monkeypatch):
    monkeypatch.setattr(listener, "LARGEST_HEAD", 1000)
    async with listening() as port:
        assert await ask(port, b"GET / HTTP/1.1\r\nHost: here\r\nX: " + 2000 * b"x") == b""


async def test_a_request_within_the_bounds_is_answered_after_they_would_have_passed(monkeypatch):
    monkeypatch.setattr(listener, "SLOWEST_HEAD", 0.2)

    async def patient(_):
        await asyncio.sleep(0.4)  # longer than a head may take: the bound is not on the answer
        return PlainTextResponse("patience")

    server = listener.Listener(Starlette(routes=[Route("/", patient)]))
    with listener.bind("127.0.0.1", 0) as bound:
        task = asyncio.create_task(server.serve(sockets=[bound]))
        await server.ready.wait()
        answered = await ask(bound.getsockname()[1], b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        server.should_exit = True
        await task
    assert answered.endswith(b"patience")


def test_a_taken_port_is_said_plainly():
    with listener.bind("127.0.0.1", 0) as bound, pytest.raises(listener.AddressError) as refused:
        listener.bind("127.0.0.1", bound.getsockname()[1])
    assert refused.value.code == "listener.address"
