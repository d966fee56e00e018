"""Two connectors as they are run: negotiations, pages of the catalogue, cold start, memory.

The holder is a process of its own; the user runs in this one. Both have their own SQLite file, keys, and real
authentication over HTTP. A negotiation counts once both sides keep it as FINALIZED.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from medspace.app.compose.connector import Connector, ConnectorParts, open_connector
from medspace.app.compose.sdk import connect
from medspace.app.compose.serve import serve
from medspace.app.doors.protocol.endpoints import BASE, VERSIONS
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import Config, read_config
from medspace.app.node.cycles import settle
from medspace.connector import wire
from medspace.connector.catalogue import rules
from medspace.connector.catalogue.finding import listed
from medspace.connector.model import CATALOGUE, NEGOTIATIONS, Dataset, Negotiation, NegotiationState
from medspace.connector.ports import Transport
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.policy import templates
from tests.ports import claim

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds
WARM_UP = 20
SEQUENTIAL = 100
TOGETHER = 400
PAGES = 200
STARTS = 5
SETTLING = 3.0  # seconds until a connector counts as idle
CHUNK = 1000
# What a bench of negotiations needs: the terms alone answer, as often as they are asked.
TRIAL: dict[str, Any] = {"rows_are_persons": True, "answers": "automatic", "count": None, "min_sites": 1}
EDC_START = "Tractus-X EDC 40-50 s"
EDC_MEMORY = "EDC about 3 GB allotted"
EDC_POLL = "EDC: default poll 1 s per state"
EDC_CATALOGUE = "EDC: 10 assets 5.9 s on Postgres (2022)"


def measure() -> dict[str, dict[str, Any]]:
    """Every measure of the connector."""
    with tempfile.TemporaryDirectory() as folder:
        holder, user = _configs(Path(folder))
        plain = Path(set_up(Path(folder, "plain"), Wishes("Plain", _free_ports()))["config"])
        seconds, resident = _starts(plain)
        seconds_with_table, resident_with_table = _starts(holder)
        with _holder(holder, 0):
            median, rate = asyncio.run(_negotiations(holder, user))
        small, large = _page_p95(Path(folder, "catalogues"), (10_000, 100_000))
    return {
        "connector.cold_start_s": _figure(seconds, "s", EDC_START, "<= 1.0"),
        "connector.rss_mb": _figure(resident, "MB", EDC_MEMORY, "<= 120"),
        "connector.cold_start_s.with_table": _figure(seconds_with_table, "s", "with one table checked", ""),
        "connector.rss_mb.with_table": _figure(resident_with_table, "MB", "with one table loaded", ""),
        "negotiation.p50_ms": _figure(median * 1000, "ms", EDC_POLL, "<= 60"),
        "negotiation.per_s": _figure(rate, "1/s", "", ">= 40"),
        "catalog.page_p95_ms.10k": _figure(small, "ms", EDC_CATALOGUE, "<= 100"),
        "catalog.page_p95_ms.100k": _figure(large, "ms", EDC_CATALOGUE, f"<= {1.5 * small:.3g}"),
    }


def _figure(value: float, unit: str, reference: str, target: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "reference": reference, "target": target}


# --- the two connectors ---------------------------------------------------------------------------------------


def _configs(folder: Path) -> tuple[Path, Path]:
    """A holder with one table, who is the authority too, and a user."""
    table = folder / "heart.csv"
    table.write_text("age,disease\n" + "".join(f"{40 + row % 40},{row % 2}\n" for row in range(60)), encoding="utf-8")
    holder = set_up(folder / "holder", Wishes("Holder", _free_ports(), region="DE", offer=table, **TRIAL))
    user = set_up(folder / "user", Wishes("User", _free_ports(), holder["did"], holder["public_key"], "DE"))
    return Path(holder["config"]), Path(user["config"])


def _free_ports() -> int:
    """The first of two ports that no outgoing connection takes meanwhile."""
    return claim(2)[0]


@contextmanager
def _holder(config: Path, datasets: int) -> Iterator[None]:
    """The holder as a process of its own, with so many datasets besides its own one."""
    with _started([sys.executable, "-m", "bench.negotiation", str(config), str(datasets)]):
        yield


@contextmanager
def _started(command: list[str]) -> Iterator[None]:
    """A process, from when it says that it is ready until the end."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


@asynccontextmanager
async def _member(holder: Path, user: Path) -> AsyncIterator[Connector]:
    """The user's connector, running, a member of the holder's space."""
    async with _running(read_config(user)) as connector:
        await asyncio.to_thread(_admit, holder, connector.config.did)
        await connector.of("members").refresh()
        yield connector


def _admit(holder: Path, did: str) -> None:
    with connect(holder) as authority:
        authority.admit(did, name="User", region="DE")


@asynccontextmanager
async def _running(config: Config) -> AsyncIterator[Connector]:
    connector = await open_connector(config, ConnectorParts(), lambda _: None)
    stop, started = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(connector, stop, started.set))
    await started.wait()
    try:
        yield connector
    finally:
        stop.set()
        await serving


# --- negotiations ---------------------------------------------------------------------------------------------


async def _negotiations(holder: Path, user: Path) -> tuple[float, float]:
    """Seconds of the median of negotiations one after the other, and how many a second run side by side."""
    async with _member(holder, user) as connector:
        config = read_config(holder)
        offer = listed(config.did, await connector.of("terms").finder.dataset(config.did, "heart"))["offers"][0]
        for _ in range(WARM_UP):
            await _negotiate(connector, config, offer)
        latencies = [await _negotiate(connector, config, offer) for _ in range(SEQUENTIAL)]
        return statistics.median(latencies), await _rate(connector, config, offer)


async def _negotiate(user: Connector, holder: Config, offer: JsonObject) -> float:
    """Seconds of one negotiation, until both sides keep it as FINALIZED."""
    started = time.perf_counter()
    begun = await _begin(user, holder, offer)
    await _finalized(user, holder, begun.id)
    return time.perf_counter() - started


async def _begin(user: Connector, holder: Config, offer: JsonObject) -> Negotiation:
    return await user.node.negotiations.request_negotiation(holder.did, holder.base_url + BASE, offer, "heart")


async def _finalized(user: Connector, holder: Config, pid: str) -> None:
    """Wait until both sides keep the negotiation as FINALIZED; the holder is asked as the protocol provides."""

    async def look() -> Negotiation | None:
        found = await user.of("terms").negotiation(pid)
        return found if found.state is NegotiationState.FINALIZED else None

    ended = await user.node.changes.until(look, PATIENCE, NEGOTIATIONS.topic(pid))
    assert ended is not None, "the negotiation was not finalized"
    url = f"{ended.address}/negotiations/{ended.peer_pid}"
    while (await _transport(user).get(url, holder.did)).body["state"] != "FINALIZED":  # noqa: ASYNC110 - it is far away
        await asyncio.sleep(0.002)


def _transport(user: Connector) -> Transport:
    return user.node.negotiations.dispatcher._transport  # noqa: SLF001 - the authenticated way out, as it is used


async def _rate(user: Connector, holder: Config, offer: JsonObject) -> float:
    """Negotiations per second where many run at once, until the last one is FINALIZED on both sides."""
    started = time.perf_counter()
    begun = await asyncio.gather(*(_begin(user, holder, offer) for _ in range(TOGETHER)))
    for negotiation in begun:
        await _finalized(user, holder, negotiation.id)
    return TOGETHER / (time.perf_counter() - started)


# --- the catalogue --------------------------------------------------------------------------------------------


def _page_p95(folder: Path, counts: tuple[int, ...]) -> list[float]:
    """For catalogues of so many datasets: milliseconds in which 95 of 100 pages of 100 datasets come.

    The catalogues are asked in turn, so that whatever else this machine does disturbs them alike.
    """
    folder.mkdir()
    spaces = []
    with ExitStack() as stack:
        for count in counts:
            (folder / str(count)).mkdir()
            spaces.append((*_configs(folder / str(count)), count))
            stack.enter_context(_holder(spaces[-1][0], count))
        taken = asyncio.run(_pages(spaces))
    return [statistics.quantiles(each, n=20)[-1] * 1000 for each in taken]


async def _pages(spaces: list[tuple[Path, Path, int]]) -> list[list[float]]:
    taken: list[list[float]] = [[] for _ in spaces]
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(_member(holder, user)) for holder, user, _ in spaces]
        for page in range(PAGES):
            for times, user, (holder, _, count) in zip(taken, users, spaces, strict=True):
                times.append(await _page(user, read_config(holder), page * (count - CHUNK) // PAGES))
    return taken


async def _page(user: Connector, holder: Config, after: int) -> float:
    """Seconds until the page behind that dataset is here, from anywhere in the catalogue."""
    url = f"{holder.base_url}{BASE}/catalog/request?after=dataset-{after:07d}"
    request: JsonObject = {"@context": [wire.CONTEXT], "@type": "CatalogRequestMessage"}
    started = time.perf_counter()
    reply = await _transport(user).post(url, request, holder.did)
    seconds = time.perf_counter() - started
    assert len(reply.body["dataset"]) == rules.PAGE
    return seconds


def _dataset(number: int, service: str) -> Dataset:
    offer = templates.build("train-only", offer_id=f"urn:offer:{number}", purposes=["HealthcareScientificResearch"])
    dataset = Dataset(
        id=f"dataset-{number:07d}",
        title=f"Heart disease, cohort {number}",
        description="Findings, vessels and outcome of patients with suspected coronary heart disease, coded. " * 2,
        keywords=("cardiology", "heart", "coronary angiography"),
        offers=(offer,),
        formats=("medspace:train",),
        label=digest({}),
        published="2026-01-01T00:00:00.000Z",
    )
    return replace(dataset, body=wire.encode(rules.body(dataset, service)).decode())


async def _fill(connector: Connector, count: int) -> None:
    service = rules.service_id(connector.config.did)
    for start in range(0, count, CHUNK):
        chunk = [_dataset(number, service) for number in range(start, min(start + CHUNK, count))]

        def insert(tx: Transaction, chunk: list[Dataset] = chunk) -> None:
            for dataset in chunk:
                if tx.get(CATALOGUE, dataset.id) is None:
                    tx.insert(CATALOGUE, dataset)

        await connector.node.database.write(insert)


# --- cold start and memory ------------------------------------------------------------------------------------


def _starts(config: Path) -> tuple[float, float]:
    """Medians over several starts: seconds to the first answer, resident megabytes."""
    starts = [_cold_start(config) for _ in range(STARTS + 1)][1:]  # the first one makes the database
    seconds, resident = (statistics.median(figures) for figures in zip(*starts, strict=True))
    return seconds, resident


def _cold_start(config: Path) -> tuple[float, float]:
    """Seconds from nothing to the first answer, and the resident megabytes once idle."""
    read = read_config(config)
    command = [Path(sys.executable).with_name("medspace"), "up", str(config)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(read.base_url + VERSIONS)
            seconds = time.perf_counter() - started
            time.sleep(SETTLING)
            return seconds, _resident_mb(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.005)
    raise TimeoutError(url)


def _resident_mb(pid: int) -> float:
    """Resident memory, as `ps` shows it."""
    return float(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) / 1024  # noqa: S607 - ps of the system


# --- the holder's process -------------------------------------------------------------------------------------


def _ready() -> None:
    settle()  # as `medspace up` does
    print("ready", flush=True)


async def _serve(config: Path, datasets: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connector = await open_connector(read_config(config), ConnectorParts(), lambda _: None)
    await _fill(connector, datasets)
    await serve(connector, stop, _ready)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
