"""What verifying costs the reader: one entry, and a log of 10,000 entries, in Chromium on the portal's own pages.

The connector is a process of its own, with a real database behind real listeners. Times are those that the page
itself measures and shows: of one entry the checks (hash, path, members list, key, signature), of the log fetching as
well. With what signing in adds the log is longer than what pages verify unasked, so a button is pressed.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.ledger import entry
from bench.negotiation import ROOT, _figure, _free_ports
from medspace.app.compose.connector import Connector, ConnectorParts, open_connector
from medspace.app.compose.sdk import connect
from medspace.app.compose.serve import serve
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import read_config
from medspace.ledger import service

ENTRIES = 10_000
BULK = 1_000  # entries to a unit while the log is filled
LOADS = 9  # of each page; the middle one counts


def measure() -> dict[str, dict[str, Any]]:
    """The measures of verifying in a browser; none where there is no browser."""
    browser = os.environ.get("MEDSPACE_CHROMIUM") or shutil.which("chromium")
    if browser is None:
        print("portal_verify: skipped, there is no Chromium (apt-get install chromium)", file=sys.stderr)
        return {}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(set_up(Path(folder, "plain"), Wishes("Plain", _free_ports()))["config"])
        with _connector(config):
            one, whole = _verified(browser, config)
    reference = f"median of {LOADS} page loads, in the page: "
    return {
        "portal.verify_ms": _figure(one, "ms", f"{reference}all checks of one entry of {ENTRIES}", "<= 50"),
        "portal.verify_10k_ms": _figure(whole, "ms", f"{reference}fetched, hashed and checked", "<= 2000"),
    }


def _verified(browser: str, config: Path) -> tuple[float, float]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not there where the bench is skipped

    with connect(config) as space:
        link = space.portal_link()["url"]
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.goto(link)
        page.locator("form[action$='/enter'] button").click()
        page.wait_for_url("**/portal/")
        audit = f"{link.partition('/portal/')[0]}/portal/audit"
        one = [_milliseconds(page, f"{audit}/entry?index={ENTRIES // 2 + load}") for load in range(LOADS)]
        whole = [_milliseconds(page, f"{audit}/log") for _ in range(LOADS)]
    return statistics.median(one), statistics.median(whole)


def _milliseconds(page: Any, address: str) -> float:  # noqa: ANN401 - Playwright is imported only where it is used
    page.goto(address)
    if page.locator("[data-verify] button").count():
        page.locator("[data-verify] button").click()
    page.wait_for_selector("[data-verify][data-outcome]", state="attached")
    shown = page.locator("[data-verify]")
    assert shown.get_attribute("data-outcome") == "verified"
    return float(shown.get_attribute("data-milliseconds"))


# --- the connector's process ----------------------------------------------------------------------------------


@contextmanager
def _connector(config: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.portal_verify", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.terminate()


async def _serve(config: Path) -> None:
    connector = await open_connector(read_config(config), ConnectorParts(), lambda _: None)
    stop, started = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(connector, stop, started.set))
        await started.wait()
        await _fill(connector)
        print("ready", flush=True)


async def _fill(connector: Connector) -> None:
    """Entries of the most frequent kind."""
    for start in range(0, ENTRIES, BULK):
        await connector.node.database.write(_recorded(range(start, start + BULK)))


def _recorded(numbers: range) -> Callable[[Any], list[int]]:
    return lambda tx: [service.record(tx, entry(number)) for number in numbers]


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
