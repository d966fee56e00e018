"""What an honest member notices while somebody tries to exhaust a hospital: p95 of its negotiations, attacked / idle.

The hospital is a process of its own, each attack another one (with the lowest priority, since an attacker brings its
own machine). The honest member runs in this process; for the endless catalogue it is its own connector that reads it.
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from bench.negotiation import PATIENCE, TRIAL, _free_ports, _holder, _member, _negotiate
from medspace.adapters.keys import load_key
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.compose.connector import Connector
from medspace.app.compose.sdk import connect
from medspace.app.doors.protocol.endpoints import BASE
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import Config, read_config
from medspace.connector import wire
from medspace.connector.catalogue.finding import Budget, CatalogTooLargeError, listed
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.trust.did import build_document
from medspace.trust.model import ServiceEntry
from medspace.trust.service import Identity

ROOT = Path(__file__).resolve().parents[1]
COLUMNS, ROWS = 493, 1_500
SAMPLES = int(os.environ.get("EXHAUSTION_SAMPLES", "60"))
WARM_UP = 20
CONNECTIONS = 1_050
NEGOTIATIONS = 300
DRIP = 8.0  # seconds
ENDLESS = TRIAL | {"questions": 1_000_000}  # a limit that is reached would end the attack
TERMS = 'terms = { purposes = ["ehds:HealthcareScientificResearch"], min_cohort = 10, min_sites = 1 }'
PATH = f"{BASE}/catalog/request"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
BEFORE = "without bounds: no answer"


def measure() -> dict[str, dict[str, Any]]:
    """The ratio of each attack, and the worst of them."""
    with tempfile.TemporaryDirectory() as folder:
        ratios = asyncio.run(_ratios(Path(folder)))
    worst = {"value": max(ratios.values()), "unit": "x", "reference": BEFORE, "target": "<= 2"}
    single = {
        f"attacks.honest_slowdown.{name}": {"value": ratio, "unit": "x", "reference": ""}
        for name, ratio in ratios.items()
    }
    return {"attacks.honest_slowdown": worst} | single


# --- the hospital, the honest member, the greedy one -----------------------------------------------------------


def _lay_out(folder: Path) -> tuple[Path, Path, Path]:
    """Configurations of a hospital with a wide table, who is the authority too, and of two members."""
    table = folder / "heart.csv"
    names = [f"c{number:03}" for number in range(COLUMNS)]
    lines = [",".join(str((row * (at + 3)) % 17) for at in range(COLUMNS)) for row in range(ROWS)]
    rows = "\n".join(f"{row * 7 % 2},{line}" for row, line in enumerate(lines))
    table.write_text(f"disease,{','.join(names)}\n{rows}\n", encoding="utf-8")
    holder = set_up(folder / "holder", Wishes("Hospital", _free_ports(), region="DE", offer=table, **ENDLESS))
    config = Path(holder["config"])
    told = (TERMS if line.startswith("terms = ") else line for line in config.read_text("utf-8").splitlines())
    config.write_text("\n".join(told) + "\n", encoding="utf-8")
    rest = (holder["did"], holder["public_key"], "DE")
    user, greedy = (set_up(folder / name, Wishes(name, _free_ports(), *rest)) for name in ("user", "greedy"))
    return config, Path(user["config"]), Path(greedy["config"])


async def _ratios(folder: Path) -> dict[str, float]:
    holder, user, greedy = _lay_out(folder)
    with _holder(holder, 0):
        async with _member(holder, user) as connector:
            config = read_config(holder)
            offer = listed(config.did, await connector.of("terms").finder.dataset(config.did, "heart"))["offers"][0]
            for _ in range(WARM_UP):
                await _negotiate(connector, config, offer)
            with _attack("admitted", holder, greedy):
                await asyncio.to_thread(_admit, holder, read_config(greedy).did)
            chosen = os.environ.get("EXHAUSTION_ATTACKS", " ".join(ATTACKS)).split()
            return {name: await _ratio(name, (holder, greedy), connector, config, offer) for name in chosen}


async def _ratio(name: str, files: tuple[Path, Path], user: Connector, holder: Config, offer: JsonObject) -> float:
    idle = await _p95(user, holder, offer)
    with _attack(name, *files):
        reading = asyncio.create_task(_read(user, read_config(files[1]).did)) if name == "catalogue" else None
        attacked = await _p95(user, holder, offer)
        if reading is not None:
            assert not reading.done(), reading.exception()
            reading.cancel()
    print(f"  {name}: p95 {idle * 1000:.0f} ms, attacked {attacked * 1000:.0f} ms", file=sys.stderr, flush=True)
    return attacked / idle


async def _p95(user: Connector, holder: Config, offer: JsonObject) -> float:
    taken: list[float] = []
    while len(taken) < SAMPLES:
        try:
            taken.append(await _negotiate(user, holder, offer))
        except AssertionError:  # not finalized in all this time: nobody would go on waiting
            return PATIENCE
    return statistics.quantiles(taken, n=20)[-1]


async def _read(user: Connector, did: str) -> None:
    while True:
        with suppress(CatalogTooLargeError):  # as it must end: another end would be no attack
            await user.of("terms").catalog(did, "")


def _admit(holder: Path, did: str) -> None:
    with connect(holder) as authority:
        authority.admit(did, name="Greedy", region="DE")


@contextmanager
def _attack(name: str, holder: Path, greedy: Path) -> Iterator[None]:
    """The attack, under way in a process of its own."""
    command = [sys.executable, "-m", "bench.exhaustion", name, str(holder), str(greedy)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
            assert process.poll() is None, f"the attack {name} ended by itself"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # and the connector that it may have started


# --- the attacker's process ------------------------------------------------------------------------------------


class Greedy:
    """A member with a key, a DID document, and nothing else of a connector."""

    def __init__(self, holder: Config, own: Config) -> None:
        self.holder, self.own = holder, own
        self._signer = load_key(own.path(own.participant.key))
        self._identity = Identity(own.did, self._signer, SystemClock(), SystemRandomness())
        self._http = httpx.Client(timeout=60, trust_env=False, limits=httpx.Limits(max_connections=16))

    def bearer(self) -> dict[str, str]:
        """The header of one call to the hospital."""
        return {"Authorization": f"Bearer {self._identity.token_for(self.holder.did)}"}

    def document(self) -> bytes:
        """Its DID document."""
        service = ServiceEntry(f"{self.own.did}#catalog", "CatalogService", f"{self.own.base_url}{BASE}/catalog")
        return json.dumps(build_document(self.own.did, self._signer.public_key, [service])).encode()

    def offer(self) -> JsonObject:
        """The hospital's offer."""
        address = f"{self.holder.base_url}{BASE}/catalog/datasets/heart"
        dataset = self._http.get(address, headers=self.bearer()).json()
        return {**dataset["hasPolicy"][0], "@type": "Offer", "target": "heart"}

    def ask(self, offer: JsonObject, callback: str) -> int:
        """Begin one negotiation; the status of the answer, 0 where there was none."""
        body = {
            "@context": [wire.CONTEXT],
            "@type": "ContractRequestMessage",
            "consumerPid": f"urn:uuid:{uuid.uuid4()}",
            "callbackAddress": callback,
            "offer": offer,
        }
        try:
            url = f"{self.holder.base_url}{BASE}/negotiations/request"
            return self._http.post(url, headers=self.bearer(), json=body).status_code
        except httpx.HTTPError:
            return 0


def _public(greedy: Greedy) -> None:
    """Serve the DID document, and a catalogue without end of the largest pages that are read."""
    entry = {"@id": "x", "title": "x", "hasPolicy": [{"@id": "o"}], "description": "y" * 900}
    most = (Budget().page - 1_000) // len(json.dumps(entry) + ", ")
    page = json.dumps({"dataset": [entry] * most}).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._tell(greedy.document(), {})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._tell(page, {"Link": f'<{greedy.own.base_url}{PATH}?after=x>; rel="next"'})

        def _tell(self, body: bytes, more: dict[str, str]) -> None:
            self.send_response(200)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Nothing: that its reader hangs up is what is measured."""

    server = Server((greedy.own.public.host, greedy.own.public.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def _trailers(greedy: Greedy) -> None:
    """Four strangers send trailers without end, again and again."""
    line = b"x: " + b"a" * 60_000 + b"\r\n"

    def one() -> None:
        while True:
            with suppress(OSError), socket.create_connection(_address(greedy), timeout=10) as connection:
                connection.sendall(HEAD + b"0\r\n")
                while True:
                    connection.sendall(line)

    _in_threads(one, 4)


def _places(greedy: Greedy) -> None:
    """A stranger holds as many connections as it gets, with a byte every few seconds."""

    async def one() -> None:
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(*_address(greedy))
                writer.write(HEAD)
                while not reader.at_eof():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(1 << 16), DRIP)
                    writer.write(b"1\r\na\r\n")
                    await writer.drain()
                writer.close()
            await asyncio.sleep(1)

    async def everyone() -> None:
        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))

    threading.Thread(target=lambda: asyncio.run(everyone()), daemon=True).start()
    time.sleep(3)


def _tarpit(greedy: Greedy) -> None:
    """Negotiations whose callbacks take the connection and never answer."""
    held: list[socket.socket] = []

    def pit(listener: socket.socket) -> None:
        while True:
            held.append(listener.accept()[0])

    pits = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(8)]
    for listener in pits:
        threading.Thread(target=pit, args=(listener,), daemon=True).start()
    offer = greedy.offer()
    for number in range(NEGOTIATIONS):
        greedy.ask(offer, f"http://127.0.0.1:{pits[number % len(pits)].getsockname()[1]}/cb")


def _growth(greedy: Greedy) -> None:
    """Negotiations, small ones and big ones, as fast as eight connections carry them."""
    offer = greedy.offer()
    big = {**offer, "note": ["x" * 4_000] * 225}

    def one() -> None:
        while True:
            for wish in (offer, offer, offer, big):
                greedy.ask(wish, "http://127.0.0.1:9/cb")

    _in_threads(one, 8)


def _wide(greedy: Greedy) -> None:
    """Training with every column, four runs at once, by a real connector."""
    file = Path(sys.argv[3])
    medspace = Path(sys.executable).with_name("medspace")
    subprocess.Popen([medspace, "up", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    task: JsonObject = {
        "task": "glm",
        "family": "binomial",
        "target": "disease > 0",
        "purpose": "ehds:HealthcareScientificResearch",
        "max_rounds": 20,
        "min_sites": 1,
        "missing": "drop",  # else there were two columns for each feature, more than a task may have
        "features": [{"name": f"c{number:03}"} for number in range(COLUMNS)],
    }

    numbers = count(1)  # a question that was answered before would cost nothing

    def train(agreement: str) -> None:
        with connect(file) as space:
            space.train({**task, "l2": float(next(numbers))}, [agreement])

    def one(agreement: str) -> None:
        while True:
            with suppress(MedspaceError):
                train(agreement)

    agreement = _agreed(file, greedy.holder.did)
    train(agreement)  # one that is refused would be no attack
    _in_threads(lambda: one(agreement), 4)


def _agreed(file: Path, holder: str) -> str:
    for _ in range(200):
        with suppress(MedspaceError), connect(file) as space:
            space.refresh()
            return str(space.negotiate(holder, "heart")["agreement"])
        time.sleep(0.2)
    raise RuntimeError("the greedy member got no agreement")


def _address(greedy: Greedy) -> tuple[str, int]:
    return greedy.holder.public.host, greedy.holder.public.port


def _in_threads(work: Callable[[], None], times: int) -> None:
    pool = ThreadPoolExecutor(times)
    for _ in range(times):
        pool.submit(work)
    time.sleep(2)


ATTACKS: dict[str, Callable[[Greedy], None]] = {
    "trailers": _trailers,
    "places": _places,
    "tarpit": _tarpit,
    "catalogue": lambda _: None,
    "wide": _wide,
    "growth": _growth,  # last, since it uses up what a member may store
}


def _main(name: str, holder: str, own: str) -> None:
    os.nice(19)
    greedy = Greedy(read_config(Path(holder)), read_config(Path(own)))
    if name != "wide":
        _public(greedy)
    ATTACKS.get(name, lambda _: None)(greedy)
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    _main(*sys.argv[1:])
