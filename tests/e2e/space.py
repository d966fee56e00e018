"""A small space for tests: whole connectors in one process, over real HTTP on loopback.

All of them run in one event loop in a thread of its own, so that tests call the SDK as people do. Each can be
stopped, opened again on its database, and made of other parts.
"""

import asyncio
import json
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.adapters.mldsa import open_mldsa_keys
from medspace.adapters.system import SystemRandomness
from medspace.app.compose.connector import Connector, ConnectorParts, open_connector
from medspace.app.compose.sdk import Space, connect
from medspace.app.compose.serve import serve
from medspace.app.node.config import Config, read_config
from medspace.core.signing import HybridSigner
from medspace.trust.did import did_web
from medspace.trust.jws import encode
from medspace.trust.service import Identity
from tests.e2e.relay import Connection, Relay
from tests.ports import claim
from tests.runs import manifest_of, signed

PATIENCE = 60.0  # seconds for one connector to come up or to end, on a loaded machine
PURPOSE = "ehds:HealthcareScientificResearch"
ASSET = "hearts"
T = TypeVar("T")

DICTIONARY = """\
title = "Invented heart patients"
person = "person"

[columns.person]
type = "code"
description = "Stands for the patient."

[columns.age]
type = "integer"
description = "Age."
minimum = 0
maximum = 120

[columns.sex]
type = "code"
description = "Sex."
codes = { f = "female", m = "male" }

[columns.sbp]
type = "number"
description = "Systolic blood pressure."
minimum = 50
maximum = 300

[columns.disease]
type = "flag"
description = "Whether disease was found."
"""

TASK = {
    "task": "glm",
    "family": "binomial",
    "target": "disease > 0",
    "purpose": PURPOSE,
    "l2": 1.0,
    "standardise": True,
    "max_rounds": 20,
    "min_sites": 1,
    "features": [
        {"name": "age"},
        {"name": "sbp"},
        {"name": "sex", "kind": "coded", "levels": ["f", "m"]},
    ],
}

HOSPITALS = ("north", "south", "west", "east")  # of a masked run
MASKED = {**TASK, "l2": 0.0, "min_sites": 3}  # that masks are on is what contracts say by themselves


def table(seed: int, rows: int = 60) -> str:
    """Invented patients (CSV)."""
    chance = random.Random(seed)
    lines = ["person,age,sex,sbp,disease"]
    for number in range(rows):
        age, sbp = chance.randint(30, 80), round(chance.gauss(135, 15), 1)
        sick = int(chance.random() < 1 / (1 + 2.718 ** (-(age - 55) / 8)))
        lines.append(f"p{seed}-{number},{age},{chance.choice('fm')},{sbp},{sick}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Holding:
    """The one asset of a hospital: its rows and under which terms they are offered."""

    rows: str
    template: str = "train-only"
    terms: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("medspace:train",)
    dictionary: str = DICTIONARY
    label: dict[str, Any] = field(default_factory=dict)
    questions: int | None = 1000  # a year; None leaves it to the connector
    numbers: int | None = 1_000_000  # in all; None leaves it to the connector
    source: str = "rows.csv"
    more: str = ""  # lines of the asset's own

    def toml(self) -> str:
        terms = {
            "purposes": [PURPOSE],
            "until": "2030-06-30T00:00:00Z",
            "min_cohort": 10,
            "min_sites": 1,
            "protection": "coordinator-sees-sums",  # masks need four hospitals; where they are on, terms say so
        } | self.terms
        label = {"purposes": [PURPOSE], "regions": ["World"], "kinds": list(self.kinds)} | self.label
        return f"""
[[assets]]
id = "{ASSET}"
title = "Heart patients"
source = "{self.source}"
dictionary = "dictionary.toml"
{self.more}
{"" if self.questions is None else f"questions = {self.questions}"}
{"" if self.numbers is None else f"numbers = {self.numbers}"}

[assets.label]
{_lines(label)}

[[assets.offers]]
template = "{self.template}"

[assets.offers.terms]
{_lines(terms)}
"""


def _lines(values: dict[str, Any]) -> str:
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None)


def hospital(seed: int = 1, **terms: Any) -> Holding:
    """A hospital's holding."""
    return Holding(table(seed), terms=terms)


@dataclass
class Node:
    """One participant: its configuration, and its connector while it runs."""

    key: str
    file: Path
    region: str
    did: str
    parts: ConnectorParts
    signer: HybridSigner
    wrap: Callable[[Any], Any] | None = None
    relay: Relay | None = None
    connector: Connector | None = None
    stop: asyncio.Event | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def config(self) -> Config:
        return read_config(self.file)

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def url(self) -> str:
        return self.config.base_url

    @property
    def private_url(self) -> str:
        return f"http://127.0.0.1:{self.config.private.port}"

    @property
    def token(self) -> str:
        return (self.folder / "keys" / "private.token").read_text().strip()

    def identity(self) -> Identity:
        """Its identity, to make tokens with, good or bad ones."""
        return Identity(self.did, self.signer, self.parts.clock, self.parts.randomness)

    def bearer(self, audience: "Node") -> dict[str, str]:
        """The header of a call to another participant, as its connector would send it."""
        return {"Authorization": f"Bearer {self.identity().token_for(audience.did)}"}


class Stage:
    """The participants and the loop that they run in; the first one is the authority.

    Where it `listens`, all that goes between connectors passes relays, which write it down in `heard`.
    """

    def __init__(self, folder: Path, *, listens: bool = False) -> None:
        self.folder = folder
        self.listens = listens
        self.heard: list[Connection] = []
        self.nodes: dict[str, Node] = {}
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name="stage")
        self._spaces: dict[str, Space] = {}
        self._seated: dict[str, Any] = {}  # the task whose manifest a holder was shown last, by transfer
        self._thread.start()

    def _live(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = PATIENCE) -> T:
        """What a coroutine returns, in the connectors' loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    # --- building ---------------------------------------------------------------------------------------------
    def add(
        self,
        key: str,
        holding: Holding | None = None,
        *,
        region: str = "DE",
        more: str = "",
        public: str = "",
        parts: ConnectorParts | None = None,
        wrap: Callable[[Any], Any] | None = None,
    ) -> Node:
        """Lay out a participant; `more` is added to its configuration, `public` to its public listener."""
        folder = self.folder / key
        make_folder(folder)
        make_folder(folder / "keys")
        file = folder / "keys" / "participant.pem"
        mldsa = open_mldsa_keys(file, None, clock=(parts or ConnectorParts()).clock, randomness=SystemRandomness())
        signer = HybridSigner(create_key(file), mldsa)
        create_token(folder / "keys" / "private.token")
        ports = claim(3 if self.listens else 2)
        address = f"http://127.0.0.1:{ports[-1 if self.listens else 0]}"
        authority = next(iter(self.nodes.values()), None)
        text = f"""\
[participant]
name = "{key.title()}"
region = "{region}"

[public]
port = {ports[0]}
{f'url = "{address}"' if self.listens else ""}
{public}

[private]
port = {ports[1]}

[space]
authority = "{authority.did if authority else did_web(address)}"
authority_key = "{encode((authority.signer if authority else signer).public_key)}"

[network]
allow = ["127.0.0.0/8"]

{more}
"""
        if holding is not None:
            (folder / "rows.csv").write_text(holding.rows)
            (folder / "dictionary.toml").write_text(holding.dictionary)
            text += holding.toml()
        file = folder / "medspace.toml"
        file.write_text(text)
        did = read_config(file).did
        relay = Relay(key, ports[-1], ports[0], self.heard) if self.listens else None
        self.nodes[key] = Node(key, file, region, did, parts or ConnectorParts(), signer, wrap, relay)
        return self.nodes[key]

    # --- running ----------------------------------------------------------------------------------------------
    def open(self, *keys: str) -> None:
        """Start connectors; back once they answer."""
        for key in keys or tuple(self.nodes):
            self.run(self._open(self.nodes[key]))

    async def _open(self, node: Node) -> None:
        if node.relay is not None:
            await node.relay.open()
        connector = await open_connector(node.config, node.parts, lambda _: None)
        if node.wrap is not None:
            connector.public_app = node.wrap(connector.public_app)
            connector.private_app = node.wrap(connector.private_app)
        node.connector, node.stop, up = connector, asyncio.Event(), asyncio.Event()
        node.task = asyncio.create_task(serve(connector, node.stop, up.set))
        waiting = asyncio.create_task(up.wait())
        await asyncio.wait({node.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not up.is_set():
            waiting.cancel()
            node.task.result()

    def close(self, *keys: str) -> None:
        """Stop connectors as an administrator does."""
        for key in keys:
            self._spaces.pop(key).close() if key in self._spaces else None
        self.run(self._close_all([self.nodes[key] for key in keys]))

    async def _close_all(self, nodes: list[Node]) -> None:
        await asyncio.gather(*map(self._close, nodes))

    async def _close(self, node: Node) -> None:
        if node.task is not None and node.stop is not None:
            node.stop.set()
            task, node.task, node.connector = node.task, None, None
            await task

    def end(self) -> None:
        """Stop everything."""
        try:
            self.close(*self.nodes)
            for relay in filter(None, (node.relay for node in self.nodes.values())):
                self.run(relay.close())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(PATIENCE)

    # --- asking -----------------------------------------------------------------------------------------------
    def space(self, key: str) -> Space:
        """The SDK of a participant."""
        if key not in self._spaces:
            self._spaces[key] = connect(self.nodes[key].file)
        return self._spaces[key]

    def admit(self, *keys: str, operator: str = "") -> None:
        """Have the authority admit participants, and everybody hear of it; `operator` runs them, if not they."""
        first, *others = self.nodes
        for key in keys or others:
            node = self.nodes[key]
            self.space(first).admit(node.did, name=key.title(), region=node.region, operator=operator)
        for key in others:
            if self.nodes[key].task is not None:
                self.space(key).refresh()

    def agree(self, user: str, holder: str, **more: Any) -> str:
        """The agreement of a user with a holder on the holder's asset, once both of them keep it."""
        agreement = str(self.space(user).negotiate(self.nodes[holder].did, ASSET, **more)["agreement"])
        space = self.space(holder)
        found = next(one for one in space.negotiations() if one["agreement"] == agreement)
        while found["state"] != "FINALIZED":  # the user may hear of it first
            found = space._get(f"/negotiations/{found['id']}", seen=found["version"], wait=10)
        return agreement

    def relabel(self, key: str, label: dict[str, Any]) -> None:
        """Change the label of a holder's asset, and confirm what allows more than before."""
        space = self.space(key)
        told = space.set_label(ASSET, label, dry=True)
        looser = [one["term"] for one in told["changes"] if one["loosens"]]
        space.set_label(ASSET, label, loosen=looser, seen=str(told["seen"]))

    def entries(self, key: str, *kinds: str) -> list[dict[str, Any]]:
        """The entries of a log, of these kinds."""
        found: list[dict[str, Any]] = []
        while page := self.space(key)._get("/audit/entries", after=len(found), limit=1000)["entries"]:
            found += page
        return [entry for entry in found if not kinds or entry["kind"] in kinds]

    def ask(self, user: str, holder: str, transfer: str, step: dict[str, Any], **headers: str) -> httpx.Response:
        """One call of the job endpoint of a started transfer, made by hand; its seat is taken before the first."""
        task = step.get("task")
        if isinstance(task, dict) and self._seated.get(transfer) != task:  # refused where another one was admitted
            self.sit(user, holder, transfer, task)
        return self.post(user, holder, transfer, "", step, **headers)

    def post(self, user: str, holder: str, transfer: str, path: str, body: Any, **headers: str) -> httpx.Response:
        """A call of the job endpoint of a started transfer, or of a path below it."""
        address = self.address(user, transfer)
        token = address["endpointProperties"][0]["value"]
        sent = self.nodes[user].bearer(self.nodes[holder]) | {"Medspace-Job": token} | headers
        return httpx.post(f"{address['endpoint']}{path}", json=body, headers=sent, timeout=30)

    def sit(
        self,
        user: str,
        holder: str,
        transfer: str,
        task: dict[str, Any],
        others: tuple[str, ...] = (),
        **changes: Any,
    ) -> httpx.Response:
        """Show the holder a manifest of the task, with these others at the table as well."""
        connector = self.nodes[user].connector
        assert connector is not None
        agreement = self.run(connector.of("uses").transfer(transfer)).agreement
        seats = {self.nodes[key].did: f"urn:agreement:of:{key}" for key in others}
        seats |= {self.nodes[holder].did: agreement}
        manifest = manifest_of(self.nodes[user].did, task, seats, **{"run": f"urn:run:of:{transfer}"} | changes)
        text = signed(manifest, self.nodes[user].signer)
        answer = self.post(user, holder, transfer, "/manifest", {"manifest": text})
        if answer.status_code == httpx.codes.OK:
            self._seated[transfer] = task
        return answer

    def address(self, user: str, transfer: str) -> dict[str, Any]:
        """The data address of a transfer, which only the user's database holds."""
        connector = self.nodes[user].connector
        assert connector is not None
        return dict(self.run(connector.of("uses").transfer(transfer)).data_address or {})


def confirmed(put: Callable[..., Any], *said: Any) -> Any:
    """A label changed by somebody who has seen what it loosens, and wants that."""
    told = put(*said, dry=True)
    return put(*said, loosen=[one["term"] for one in told["changes"] if one["loosens"]], seen=told["seen"])


def step(name: str = "moments", number: int = 1, task: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    """A step as it goes over the wire, but for the sites."""
    return {"task": TASK if task is None else task, "round": number, "name": name, "inputs": inputs}


def audited(stage: Stage, folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the audit of the logs of all participants finds, or of all but some; the logs go to the folder."""
    files = []
    for key in stage.nodes:
        if key not in without:
            files.append(folder / f"{key}.log.json")
            files[-1].write_text(json.dumps(stage.space(key).audit_bundle()))
    from medspace.app.features.audit.auditing import verify_files  # noqa: PLC0415 - a space may do without audits

    return dict(verify_files(files, stage.space("user").status()["authority_key"], "en"))


@contextmanager
def staged(folder: Path, *, listens: bool = False) -> Iterator[Stage]:
    """A stage that is cleared at the end."""
    stage = Stage(folder, listens=listens)
    try:
        yield stage
    finally:
        stage.end()


def add_masked(stage: Stage, rows: int = 60, more: str = "") -> None:
    """Lay out an authority, four hospitals whose contracts want masks, and a user; `more` are lines of each asset."""
    stage.add("authority")
    for seed, key in enumerate(HOSPITALS, 1):
        stage.add(key, Holding(table(seed, rows), terms={"min_sites": 3, "protection": None}, more=more))
    stage.add("user")


@contextmanager
def staged_masked(folder: Path, rows: int = 60, more: str = "") -> Iterator[Stage]:
    """A stage on which these are open and members."""
    with staged(folder) as stage:
        add_masked(stage, rows, more)
        stage.open()
        stage.admit()
        yield stage
