"""How long we wait for others, on a machine that itself was away."""

import asyncio
import time

import pytest

from medspace.adapters.http.client import ClientLimits, HttpClient
from medspace.adapters.http.guard import Guard
from medspace.adapters.http.patience import STEPS, patient
from medspace.connector.errors import NotSentError
from tests.unit.adapters.http_servers import answer, serving

SHORT = 0.2  # seconds
ASLEEP = 2 * SHORT
TURNS = 5  # of the loop until the answer is read, as for a connection that is made


async def heard(wait):
    """Whether an answer is read whose way there takes some turns of a loop that slept for longer than it waits."""
    try:
        async with wait(SHORT):
            asyncio.get_running_loop().call_soon(time.sleep, ASLEEP)
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return True
    except TimeoutError:
        return False


async def test_what_came_while_the_machine_was_away_is_read():
    assert await heard(patient)


async def test_control_a_deadline_on_the_clock_is_over_by_then():
    assert not await heard(asyncio.timeout)


@pytest.mark.parametrize("seconds", [0.001, SHORT])
async def test_what_does_not_come_is_waited_for_no_longer(seconds):
    now = asyncio.get_running_loop().time
    began = now()
    with pytest.raises(TimeoutError):
        async with patient(seconds):
            await asyncio.Event().wait()
    assert now() - began >= seconds - seconds / STEPS


async def test_who_is_cancelled_is_not_told_that_time_is_over():
    async def waits():
        async with patient(60):
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_connection_is_made_although_the_machine_was_away():
    async def resolve(host, port):
        asyncio.get_running_loop().call_soon(time.sleep, ASLEEP)
        await asyncio.sleep(0)
        return ("127.0.0.1",)

    client = HttpClient(Guard(loopback=True), resolve=resolve, limits=ClientLimits(connect=SHORT))
    async with serving(answer()) as server:
        assert (await client.request("GET", server.url(host="localhost"))).status == 200
    await client.close()


async def test_control_a_name_that_is_never_looked_up():
    async def resolve(host, port):
        await asyncio.Event().wait()

    client = HttpClient(Guard(loopback=True), resolve=resolve, limits=ClientLimits(connect=SHORT))
    with pytest.raises(NotSentError, match="in time"):
        await client.request("GET", "http://localhost:8080/")
    await client.close()
