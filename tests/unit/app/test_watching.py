"""A program that watches: each state as it comes, over breaks of the connection, and where there is no place."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

from medspace.app.compose.sdk import Space
from medspace.app.doors.sdk import NotRunningError, SpaceError
from medspace.app.doors.watching import Event, Watch, events
from tests.ports import claim
from tests.unit.app.streams import Street, asked, head

LONG = 60.0


def test_a_stream_is_read_as_its_form_says():
    stream = b": hello\n\nid: 1\ndata: {}\n\nid: 2\r\ndata:a\r\ndata:  b\r\n\r\n"
    stream += b"event: x\nid: no\0\ndata: c\xe2\x80\xa8\n\ndata: cut"
    expected = [None, Event("1", "{}"), Event("2", "a\n b"), Event("2", "c\u2028")]
    assert list(events([stream])) == expected
    assert list(events(bytes([byte]) for byte in stream)) == expected
    assert list(events([b"data\n\n", b"\n\n", b"retry: 5\n\n"])) == [Event("", "")]


@pytest.fixture
def street():
    return Street()


class Reader:
    """A program in a thread of its own that takes what it watches one by one."""

    def __init__(self, states):
        self._states, self.taken = states, []

    async def next(self):
        return await asyncio.to_thread(next, self._states, None)


@pytest.fixture
def reader():
    clients = []

    def made(port, wait=LONG, seen="", **how):
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False))
        read = Space("http://none.example", "")._read
        return Reader(Watch(clients[-1], "/things/run", read, **how).states(wait, seen))

    yield made
    for one in clients:
        one.close()


async def percents(watching, count):
    return [(await watching.next())["percent"] for _ in range(count)]


async def test_each_state_comes_until_the_last(street, reader):
    await street.put(percent=1)
    async with street.open() as (_, port):
        watching = reader(port)
        assert await percents(watching, 1) == [1]
        await street.put(percent=2)
        assert await percents(watching, 1) == [2]
        await street.put(state="finished", percent=3)
        assert await percents(watching, 1) == [3]
        assert await watching.next() is None


async def test_who_comes_when_it_is_over_sees_how_it_ended(street, reader):
    await street.put(state="failed", percent=9)
    async with street.open() as (_, port):
        watching = reader(port)
        assert await percents(watching, 1) == [9]
        assert await watching.next() is None


async def test_it_goes_on_after_a_break_behind_what_it_has_seen(street, reader):
    await street.put(percent=1)
    (port,), loop = claim(1), asyncio.get_running_loop()
    async with AsyncExitStack() as later:

        async def again():
            street.feeds.closed = False
            await later.enter_async_context(street.open(port))

        def pause(_):
            asyncio.run_coroutine_threadsafe(again(), loop).result(LONG)

        watching = reader(port, pause=pause)
        async with street.open(port):
            assert await percents(watching, 1) == [1]
        following = asyncio.create_task(watching.next())
        while not street.feeds.watchers:  # noqa: ASYNC110 - it is back, and was told nothing anew
            await asyncio.sleep(0)
        await street.put(percent=2)
        assert (await following)["percent"] == 2


async def test_it_gives_up_where_nothing_answers_at_first_or_ever_again(street, reader):
    await street.put(percent=1)
    (port,), pauses = claim(1), []
    with pytest.raises(httpx.ConnectError):
        await reader(port).next()
    with Space(f"http://127.0.0.1:{port}", "") as space, pytest.raises(NotRunningError):
        await asyncio.to_thread(next, space.watch("run"))
    watching = reader(port, pause=pauses.append)
    async with street.open(port):
        assert await percents(watching, 1) == [1]
    with pytest.raises(httpx.TransportError):
        await watching.next()
    assert len(pauses) == 30


async def test_it_ends_when_its_time_is_over(street, reader):
    await street.put(percent=1)
    async with street.open() as (_, port):
        assert await reader(port, wait=0.5, seen="running-1").next() is None
        assert await reader(port, wait=0).next() is None


async def test_where_there_is_no_place_it_asks_now_and_then(reader):
    street = Street(most=1)
    await street.put(percent=1)
    async with street.open() as (_, port):
        async with asked(port) as other:
            await head(other)
            watching = reader(port)
            assert await percents(watching, 1) == [1]
            await street.put(percent=2)
            assert await percents(watching, 1) == [2]
        await street.put(state="finished", percent=3)
        assert await percents(watching, 1) == [3]


async def test_what_is_not_there_is_an_error(street, reader):
    async with street.open() as (_, port):
        with pytest.raises(SpaceError) as raised:
            await reader(port).next()
        assert raised.value.code == "learning.run_unknown"
