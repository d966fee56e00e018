"""What a hundred watchers of one run cost its connector.

The connector is a process of its own: a real database behind real listeners. Its run gets on by one hundredth twice a
second, as a site tells it in a long step. Measured is the processor time of that process over the time that passes;
what it takes while nobody watches is measured first, and left in.
"""

import asyncio
import itertools
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.negotiation import ROOT, _figure, _free_ports
from medspace.app.compose.connector import Connector, ConnectorParts, open_connector
from medspace.app.compose.serve import serve
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import Config, read_config
from medspace.runs.model import RUNS, Run, RunState, Seat

WATCHERS = 100
BEAT = 0.5  # seconds between two hundredths
SECONDS = 20.0
SITES = 5
RUN = "run-1"


def measure() -> dict[str, dict[str, Any]]:
    """The measures of watchers."""
    with tempfile.TemporaryDirectory() as folder:
        made = set_up(Path(folder, "plain"), Wishes("Plain", _free_ports()))
        with _connector(Path(made["config"])) as process:
            idle, _ = asyncio.run(_watched(process, read_config(Path(made["config"])), 0))
            busy, told = asyncio.run(_watched(process, read_config(Path(made["config"])), WATCHERS))
    reference = f"{WATCHERS} watchers, {told:.3g} states/s each; {idle:.3f} without"
    return {
        "sse.watchers_cpu": _figure(busy, "of a core", reference, "<= 0.10"),
        "sse.states_per_s": _figure(told, "1/s", f"of {1 / BEAT:.3g} that there were", ""),
    }


# --- who watches ----------------------------------------------------------------------------------------------


async def _watched(process: "subprocess.Popen[str]", config: Config, count: int) -> tuple[float, float]:
    """The share of a core that the process takes while so many watch, and the states a second that each is shown."""
    told: list[int] = [0] * count
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(_watch(config, told, number)) for number in range(count)]
        while not all(told):  # noqa: ASYNC110 - until everybody was shown something; they read sockets
            await asyncio.sleep(0.01)
        began, before, shown = time.monotonic(), _spent(process), sum(told)
        await asyncio.sleep(SECONDS)
        seconds = time.monotonic() - began
        spent, states = _spent(process) - before, sum(told) - shown
        for one in watching:
            one.cancel()
    return spent / seconds, states / seconds / max(count, 1)


async def _watch(config: Config, told: list[int], number: int) -> None:
    token = config.path(config.private.token).read_text(encoding="ascii").strip()
    reader, writer = await asyncio.open_connection(config.private.host, config.private.port)
    try:
        writer.write(
            f"GET /events/runs/{RUN} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        assert b" 200 " in await reader.readline()
        while line := await reader.readline():
            told[number] += line.startswith(b"data:")
    finally:
        writer.close()


def _spent(process: "subprocess.Popen[str]") -> float:
    """Seconds on a processor that the connector's process has taken so far."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("?\n")
    process.stdin.flush()
    return float(process.stdout.readline())


# --- the connector's process ----------------------------------------------------------------------------------


@contextmanager
def _connector(config: Path, module: str = "bench.sse") -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", module, str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.terminate()


async def _serve(config: Path, getting_on: Callable[[Connector], Awaitable[None]] | None = None) -> None:
    connector = await open_connector(read_config(config), ConnectorParts(), lambda _: None)
    stop, started = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(connector, stop, started.set))
        await started.wait()
        await _begin(connector)
        threading.Thread(target=_answer, daemon=True).start()
        print("ready", flush=True)
        await (getting_on or _get_on)(connector)


async def _begin(connector: Connector) -> None:
    """A run that is under way at several sites."""
    seats = tuple(Seat(f"did:web:site-{n}.example", f"urn:agreement:{n}") for n in range(SITES))
    task = {"task": "glm", "max_rounds": 20}
    created = "2026-01-01T00:00:00.000Z"
    run = Run(RUN, RunState.RUNNING, created, task, "sha256:" + "0" * 64, "medspace:train", seats, round=3)
    await connector.node.database.write(lambda tx: tx.insert(RUNS, run))


async def _get_on(connector: Connector) -> None:
    for done in itertools.count():
        await asyncio.sleep(BEAT)
        site = f"did:web:site-{done // 100 % SITES}.example"
        connector.of("training").waiting.works(RUN, site, done % 100, 60)


def _answer() -> None:
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
