"""What a hundred people cost who have the page of one training open.

As `bench.sse`, but through the portal: each has a session, its page follows the events, and loads its block anew once
a round is over, as the page's script does. The run gets on by one hundredth twice a second and by a round every ten
seconds.
"""

import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bench.negotiation import _figure, _free_ports
from bench.sse import BEAT, RUN, SECONDS, SITES, WATCHERS, _connector, _serve, _spent
from medspace.app.compose.connector import Connector
from medspace.app.doors.portal.guarding import SESSION, cookie_of
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import Config, read_config
from medspace.runs.model import RUNS

ROUND = 10.0  # seconds
PAUSE = 2.0  # seconds between two loads of one page, at least (`training/run.js`)


def measure() -> dict[str, dict[str, Any]]:
    """The measures of people who watch."""
    with tempfile.TemporaryDirectory() as folder:
        made = set_up(Path(folder, "plain"), Wishes("Plain", _free_ports()))
        config = read_config(Path(made["config"]))
        with _connector(Path(made["config"]), "bench.portal") as process:
            idle, _ = asyncio.run(_watched(process, config, 0))
            busy, loads = asyncio.run(_watched(process, config, WATCHERS))
    reference = f"{WATCHERS} pages, {loads:.3g} loads of a block/s in all; {idle:.3f} without"
    return {"portal.watchers_cpu": _figure(busy, "of a core", reference, "<= 0.10")}


async def _watched(process: "subprocess.Popen[str]", config: Config, count: int) -> tuple[float, float]:
    """The share of a core that the process takes while so many watch, and the loads of a block a second."""
    told, loads = [0] * count, [0] * count
    async with asyncio.TaskGroup() as tasks:
        cookies = await _sessions(config, count)
        watching = [
            tasks.create_task(_watch(config, cookie, told, loads, number)) for number, cookie in enumerate(cookies)
        ]
        while not all(told):  # noqa: ASYNC110 - until everybody was shown something; they read sockets
            await asyncio.sleep(0.01)
        began, before, loaded = time.monotonic(), _spent(process), sum(loads)
        await asyncio.sleep(SECONDS)
        seconds = time.monotonic() - began
        spent, loaded = _spent(process) - before, sum(loads) - loaded
        for one in watching:
            one.cancel()
    return spent / seconds, loaded / seconds


async def _sessions(config: Config, count: int) -> list[str]:
    """The sessions of so many people who have signed in with a one-time link, as headers."""
    token = config.path(config.private.token).read_text(encoding="ascii").strip()
    address = f"http://{config.private.host}:{config.private.port}"
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        return [await _session(client, number) for number in range(count)]


async def _session(client: httpx.AsyncClient, number: int) -> str:
    account = (await client.post("/accounts", json={"name": f"Reader {number}", "roles": ["user"]})).json()["id"]
    made = (await client.post(f"/accounts/{account}/link", json={})).json()
    origin = made["url"].partition("/portal/")[0]
    entered = await client.post("/portal/enter", data={"link": made["text"]}, headers={"Origin": origin})
    name = cookie_of(SESSION, origin)
    return f"{name}={entered.cookies[name]}"


async def _watch(config: Config, cookie: str, told: list[int], loads: list[int], number: int) -> None:
    reader, writer = await asyncio.open_connection(config.private.host, config.private.port)
    shown, loaded = 0, time.monotonic()
    try:
        _ask(writer, f"/portal/events/runs/{RUN}", cookie)
        assert b" 200 " in await reader.readline()
        while line := await reader.readline():
            if line.startswith(b"data:"):
                told[number] += 1
                run = msgspec.json.decode(line[5:])
                rounds = run["rounds"]
                if shown and rounds != shown:
                    await asyncio.sleep(max(0.0, loaded + PAUSE - time.monotonic()))
                    await _load(config, cookie, run["version"])
                    loads[number], loaded = loads[number] + 1, time.monotonic()
                shown = rounds
    finally:
        writer.close()


async def _load(config: Config, cookie: str, version: str) -> None:
    reader, writer = await asyncio.open_connection(config.private.host, config.private.port)
    try:
        _ask(
            writer,
            f"/portal/training/run?id={RUN}&version={version}",
            cookie,
            "HX-Request: true\r\nHX-Target: stand\r\n",
        )
        assert b" 200 " in await reader.readline()
        await reader.read()
    finally:
        writer.close()


def _ask(writer: asyncio.StreamWriter, path: str, cookie: str, more: str = "") -> None:
    more += "" if path.startswith("/portal/events") else "Connection: close\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n{more}\r\n".encode())


async def _get_on(connector: Connector) -> None:
    beats = int(ROUND / BEAT)
    for done in itertools.count(1):
        await asyncio.sleep(BEAT)
        site = f"did:web:site-{done // 100 % SITES}.example"
        connector.of("training").waiting.works(RUN, site, done % 100, 60)
        if done % beats == 0:
            await connector.node.database.write(_next_round)


def _next_round(tx: Any) -> None:  # noqa: ANN401 - a transaction of whichever database
    run = tx.get(RUNS, RUN)
    tx.replace(RUNS, run, replace(run, round=run.round + 1))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), _get_on))
