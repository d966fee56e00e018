"""Streams of events, over real connections: each state to who keeps up, the newest to who is slow, nothing behind."""

import asyncio
import json

from medspace.app.node.feeds import BEAT
from tests.unit.app.streams import Street, asked, chunk, head


def data(told):
    return json.loads(told.split(b"data: ")[1])


async def until(holds):
    """Let the loop run until something holds."""
    while not holds():  # noqa: ASYNC110 - what holds is inside the server, which has no event for it
        await asyncio.sleep(0)


async def test_a_watcher_sees_each_state_until_the_thing_is_over():
    street = Street()
    await street.put(percent=1)
    async with street.open() as (_, port), asked(port) as reader:
        status, fields = await head(reader)
        assert (status, "content-type: text/event-stream\r\n" in fields) == (200, True)
        assert "cache-control: no-store\r\n" in fields
        first = await chunk(reader)
        assert first.startswith(b"retry: 2000\n\nid: running-1\ndata: {")
        assert first.endswith(b"}\n\n")
        assert data(first)["percent"] == 1
        for percent in (2, 3):
            await street.put(percent=percent)
            told = await chunk(reader)
            assert told.startswith(b"id: running-%d\n" % percent)
        await street.put(state="finished")
        assert data(await chunk(reader))["state"] == "finished"
        assert await chunk(reader) == b""
        await until(lambda: not street.feeds.watchers)
        await until(lambda: not street.clock.sleepers)
        assert (street.feeds.open, street.changes.waiting) == (0, 0)


async def test_other_writes_are_not_looked_at_and_what_shows_no_difference_is_not_told():
    street = Street()
    await street.put()
    async with street.open() as (_, port), asked(port) as reader:
        await head(reader)
        await chunk(reader)
        await street.looks.get()
        await street.put("other")
        await street.put(filling="not shown in the version")
        await street.looks.get()
        await street.put(percent=7)
        assert data(await chunk(reader))["percent"] == 7
        await street.looks.get()
        assert street.looks.empty()


async def test_watchers_of_one_thing_in_one_language_share_each_look():
    street = Street()
    await street.put()
    async with street.open() as (_, port):
        async with asyncio.TaskGroup() as tasks:

            async def watch(language):
                async with asked(port, "/events/things/run", f"Accept-Language: {language}") as reader:
                    await head(reader)
                    await chunk(reader)
                    there.release()
                    return data(await chunk(reader))["language"]

            there = asyncio.Semaphore(0)
            watching = [tasks.create_task(watch(language)) for language in ["en"] * 20 + ["zh"] * 20]
            for _ in watching:
                await there.acquire()
            assert (street.feeds.watchers, street.feeds.open) == (40, 2)
            while not street.looks.empty():
                street.looks.get_nowait()
            await street.put(percent=5)
        assert [one.result() for one in watching] == ["en"] * 20 + ["zh_Hans"] * 20
        assert street.looks.qsize() == 2


async def test_who_was_cut_off_is_not_told_again_what_it_has_seen():
    street = Street()
    await street.put(percent=4)
    async with street.open() as (_, port):
        for path, *fields in (
            ("/events/things/run", "Last-Event-ID: running-4"),
            ("/events/things/run?seen=running-4",),
            ("/events/things/run?seen=running-1", "Last-Event-ID: running-4"),
        ):
            async with asked(port, path, *fields) as reader:
                assert (await head(reader))[0] == 200
                assert await chunk(reader) == b"retry: 2000\n\n:\n\n"
                await street.put(percent=5)
                assert data(await chunk(reader))["percent"] == 5
                await street.put(percent=4)
        async with asked(port, "/events/things/run", "Last-Event-ID: running-3") as reader:
            await head(reader)
            assert data(await chunk(reader))["percent"] == 4
        await street.put(state="failed")
        async with asked(port, "/events/things/run", "Last-Event-ID: failed-4") as reader:
            assert (await head(reader))[0] == 204


async def test_a_beat_says_that_nothing_changed():
    street = Street()
    await street.put()
    async with street.open() as (_, port), asked(port) as reader:
        await head(reader)
        await chunk(reader)
        for _ in range(3):
            await until(lambda: street.clock.sleepers)
            street.clock.advance(BEAT)
            assert await chunk(reader) == b":\n\n"


async def test_a_slow_watcher_is_shown_the_newest_state_and_nothing_piles_up():
    street = Street()
    await street.put(filling="x" * 1_000_000)
    async with street.open() as (_, port), asked(port) as slow:
        async with asked(port) as fast:
            await head(fast)
            for percent in range(1, 60):
                await chunk(fast)
                await street.put(percent=percent)
            assert data(await chunk(fast))["percent"] == 59
        await head(slow)
        seen = [data(await chunk(slow))["percent"]]
        while seen[-1] != 59:
            seen.append(data(await chunk(slow))["percent"])
        assert len(seen) < 30, "what the sockets hold, and then the newest"


async def test_nothing_is_left_of_watchers_that_went_away():
    street = Street()
    await street.put()
    async with street.open() as (server, port):
        for _ in range(10):
            async with asked(port) as one, asked(port) as other:
                await head(one)
                await head(other)
                assert street.feeds.watchers == 2
        await until(lambda: not street.feeds.watchers)
        await until(lambda: not server.server_state.tasks)
        await until(lambda: not street.clock.sleepers)
        assert (street.feeds.open, street.changes.waiting) == (0, 0)


async def test_what_is_not_there_is_told_as_by_any_route():
    street = Street()
    async with street.open() as (_, port), asked(port, "/events/things/nothing") as reader:
        status, fields = await head(reader)
        assert (status, "application/json" in fields) == (400, True)
        assert street.feeds.watchers == 0


async def test_one_watcher_too_many_is_told_so_and_finds_a_place_later():
    street = Street(most=2)
    await street.put()
    async with street.open() as (_, port), asked(port) as first:
        await head(first)
        async with asked(port) as second:
            await head(second)
            async with asked(port) as third:
                status, fields = await head(third)
                size = int(fields.split("content-length: ")[1].split("\r\n")[0])
                problem = json.loads(await third.readexactly(size))
                assert (status, problem["code"]) == (503, "events.crowded")
                assert problem["sentence"] == "2 others are watching already; there is no place for one more."
        await until(lambda: street.feeds.watchers == 1)
        async with asked(port) as fourth:
            assert (await head(fourth))[0] == 200


async def test_a_thing_that_goes_away_ends_its_stream_and_who_comes_again_is_told_why():
    street = Street()
    await street.put()
    async with street.open() as (_, port), asked(port) as reader:
        await head(reader)
        await chunk(reader)

        street.database._state.tables["things"].clear()
        await street.put("other")
        street.changes.tell([next(iter(street.feeds._feeds))[0]])
        assert await chunk(reader) == b""
        async with asked(port) as again:
            assert (await head(again))[0] == 400


async def test_streams_end_cleanly_when_the_connector_stops():
    street = Street()
    await street.put()
    async with street.open() as (_, port):
        watching = [asked(port) for _ in range(5)]
        readers = [await one.__aenter__() for one in watching]
        for reader in readers:
            await head(reader)
            await chunk(reader)
    for one, reader in zip(watching, readers, strict=True):
        assert await chunk(reader) == b""
        await one.__aexit__(None, None, None)
    assert (street.feeds.watchers, street.changes.waiting) == (0, 0)
