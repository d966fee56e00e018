"""Watchers who take nothing, and too many of them: a stream holds a place only for as long as somebody reads it."""

import asyncio

import pytest

from tests.unit.app.streams import SOON, Street, asked, chunk, head

TAKING = 0.2  # seconds within which a client takes something of what waits for it
FILLING = "x" * 8_000_000  # more than the sockets between them hold


async def until(holds):
    async with asyncio.timeout(SOON):
        while not holds():  # noqa: ASYNC110 - what holds is inside the server, which has no event for it
            await asyncio.sleep(0)


@pytest.mark.parametrize("brake", [True, False], ids=["on", "off"])
async def test_a_watcher_who_takes_nothing_is_let_go(brake, attack_report):
    """The usual time for an answer is over long before a run is; without its own rule a stream had none at all."""
    street = Street()
    await street.put(filling=FILLING)
    async with street.open(taking=TAKING if brake else 3_600.0) as (server, port):
        async with asked(port) as stalled:
            await head(stalled)
            stalled._transport.pause_reading()
            await until(lambda: any(c.flow.write_paused for c in server.server_state.connections))
            if brake:
                await until(lambda: not street.feeds.watchers)
            held = street.feeds.watchers
        said = {"got": held} if brake else {"control": held}
        attack_report("stream: places held by who takes nothing", **said, of=1, unit="places")
        assert held == (0 if brake else 1)


async def test_a_watcher_who_takes_slowly_stays_however_long_it_takes():
    street = Street()
    await street.put(filling=FILLING)
    async with street.open(taking=TAKING) as (_, port), asked(port) as slow:
        await head(slow)
        size, taken, loop = int(await slow.readuntil(b"\r\n"), 16), 0, asyncio.get_running_loop()
        began = loop.time()
        while taken < size:
            taken += len(await slow.readexactly(min(1_000_000, size - taken)))
            await asyncio.sleep(TAKING / 2)  # the time is the client's own, and what is tested
        assert loop.time() - began > 3 * TAKING
        await slow.readexactly(2)
        await street.put(percent=1)
        assert (await chunk(slow)).startswith(b"id: running-1\n")
