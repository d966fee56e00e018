"""Pages of the portal: how long the slowest one takes on a large connector, when it is seen, what it weighs.

The connector is a process of its own whose database has many datasets, negotiations and entries (`PORTAL_ENTRIES`
says how many of the latter: a million take minutes to write). Its owner signs in by a link, and opens every page that
the menu leads to.
"""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from bench.ledger import BULK, entry
from bench.negotiation import ROOT, _configs, _figure, _fill, _holder, _member, _running
from medspace.app.compose.connector import Connector
from medspace.app.compose.features import FEATURES
from medspace.app.compose.sdk import connect
from medspace.app.node.config import read_config
from medspace.connector.model import NEGOTIATIONS, Negotiation, NegotiationState, Role
from medspace.core.store import Transaction
from medspace.ledger import service
from medspace.policy import templates
from tests.e2e.portal.browser import Visitor, browsing, visiting

DATASETS, DEALS = 10_000, 1_000
ENTRIES = int(os.environ.get("PORTAL_ENTRIES", "1000000"))
WARM_UP, ASKED, PAINTED = 3, 40, 15
STATIC = re.compile(r'"(/portal/static/[^"]+)"')
LOOKS = [(language, theme) for language in ("en-GB", "zh-CN") for theme in ("light", "dark")]


def measure() -> dict[str, dict[str, Any]]:
    """The measures of pages."""
    with tempfile.TemporaryDirectory() as folder:
        config, _ = _configs(Path(folder))
        with _serving(config, ENTRIES), httpx.Client(base_url=_origin(config), timeout=120) as client:
            client.headers["cookie"] = _entered(config, client)
            times = {path: _p95(client, path) for path in paths()}
            painted, violations = _seen(config)
            weight = _weight(client)
        (Path(folder) / "space").mkdir()
        searched = asyncio.run(_searched(*_configs(Path(folder) / "space")))
    slowest = max(times, key=lambda path: times[path])
    large = f"{DATASETS:,} datasets, {DEALS:,} negotiations, {ENTRIES:,} entries"
    looks = f"{len(times)} pages, {len(LOOKS)} looks"
    return {
        "portal.page_p95_ms": _figure(times[slowest], "ms", f"{slowest}, the slowest of {len(times)}; {large}", ""),
        "portal.catalogue_p95_ms": _figure(searched, "ms", f"searched by facets, {DATASETS:,} of a member", "<= 100"),
        "portal.fcp_ms": _figure(painted, "ms", f"median of {PAINTED} first pages, Chromium on loopback", ""),
        "portal.kb": _figure(weight / 1000, "kB", "first page with style sheet, script and picture, as sent", ""),
        "portal.axe": _figure(violations, "violations", f"axe-core, WCAG 2.2 AA and best practice: {looks}", "<= 0"),
    }


def paths() -> list[str]:
    """The pages that are opened by their address alone."""
    found = [page.path for one in FEATURES if one.pages is not None for page in one.pages().pages]
    entries = [entry.path for one in FEATURES if one.pages is not None for entry in one.pages().menu]
    return ["/", *(path for path in found if path in entries), "/preferences", "/keys"]


def _origin(config: Path) -> str:
    return f"http://localhost:{read_config(config).private.port}"


def _entered(config: Path, client: httpx.Client) -> str:
    """The owner's session, as a header."""
    with connect(config) as space:
        link = space.portal_link()["text"]
    answer = client.post("/portal/enter", data={"link": link}, headers={"origin": _origin(config)})
    told: str = answer.headers["set-cookie"]
    return told.partition(";")[0]


SEARCHES = ("", "?search=cohort+77", "?purpose=ehds%3AHealthcareScientificResearch&region=DE&until=open")


async def _searched(holder: Path, user: Path) -> float:
    """Milliseconds in which 95 of 100 pages of the catalogue are here, of the slowest kind of search."""
    with _holder(holder, DATASETS):
        async with _member(holder, user):
            return await asyncio.to_thread(_slowest_search, user)


def _slowest_search(user: Path) -> float:
    with httpx.Client(base_url=_origin(user), timeout=120) as client:
        client.headers["cookie"] = _entered(user, client)
        assert "dataset-00" in client.get("/portal/catalogue").text  # the members are asked
        return max(_p95(client, f"/catalogue{search}") for search in SEARCHES)


def _p95(client: httpx.Client, path: str) -> float:
    """Milliseconds in which 95 of 100 answers are here."""
    times = []
    for number in range(WARM_UP + ASKED):
        began = time.perf_counter()
        answer = client.get(f"/portal{path}")
        if number >= WARM_UP:
            times.append(time.perf_counter() - began)
        assert answer.status_code == httpx.codes.OK, path
    return statistics.quantiles(times, n=20)[-1] * 1000


def _weight(client: httpx.Client) -> int:
    """Bytes of the first page and of all that it loads, as they are sent.

    The page itself is not packed: it has the token of its session, and its length would tell of it (BREACH).
    """
    page = client.get("/portal/")
    return len(page.content) + sum(_sent(client, path) for path in set(STATIC.findall(page.text)))


def _sent(client: httpx.Client, path: str) -> int:
    with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
        return sum(len(chunk) for chunk in answer.iter_raw())


# --- in a browser ---------------------------------------------------------------------------------------------


def _seen(config: Path) -> tuple[float, int]:
    """Milliseconds until something of the first page is seen, and what axe finds on all pages in all looks."""
    violations = 0
    with browsing() as browser:
        for language, theme in LOOKS:
            with visiting(browser, _origin(config), locale=language, color_scheme=theme) as owner:
                _come_in(config, owner)
                if (language, theme) == LOOKS[0]:
                    painted = statistics.median(_first_paint(owner) for _ in range(PAINTED))
                for path in paths():
                    owner.open(path)
                    violations += len(owner.violations())
    return painted, violations


def _come_in(config: Path, owner: Visitor) -> None:
    with connect(config) as space:
        owner.enter(space.portal_link()["url"])


def _first_paint(owner: Visitor) -> float:
    owner.open("/")
    return float(
        owner.page.evaluate(
            "new Promise(done => new PerformanceObserver(list => done(list.getEntries()[0].startTime))"
            ".observe({type: 'paint', buffered: true}))"
        )
    )


# --- the connector's process ----------------------------------------------------------------------------------


@contextmanager
def _serving(config: Path, entries: int) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.pages", str(config), str(entries)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.terminate()


async def _serve(config: Path, entries: int) -> None:
    async with _running(read_config(config)) as connector:
        await _fill(connector, DATASETS)
        await _deal(connector)
        for start in range(0, entries, BULK):
            await connector.node.database.write(lambda tx, start=start: _note(tx, start))
        print("ready", flush=True)
        await asyncio.Event().wait()


def _note(tx: Transaction, start: int) -> None:
    for number in range(start, start + BULK):
        service.record(tx, entry(number))


async def _deal(connector: Connector) -> None:
    """Negotiations in the states that most are in."""
    offer = templates.build("train-only", offer_id="urn:offer:1", purposes=["HealthcareScientificResearch"])
    time = "2026-01-01T00:00:00.000Z"
    first = Negotiation(
        id="urn:deal",
        role=Role.PROVIDER,
        state=NegotiationState.REQUESTED,
        counterparty="did:web:user.example",
        address="https://user.example",
        peer_pid="urn:peer",
        created=time,
        updated=time,
        initiator=Role.CONSUMER,
        offer={**offer, "target": "dataset-0000001"},
        asked=None,
    )
    states = (NegotiationState.REQUESTED, NegotiationState.FINALIZED, NegotiationState.TERMINATED)

    def insert(tx: Transaction) -> None:
        for number in range(DEALS):
            name = f"urn:deal:{number:04d}"
            one = replace(first, id=name, peer_pid=f"{name}:peer", state=states[number % len(states)])
            tx.insert(NEGOTIATIONS, one)

    await connector.node.database.write(insert)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
