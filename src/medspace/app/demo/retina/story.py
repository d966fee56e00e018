"""The pilot: one story over real connectors, from contract to model card, and what each hospital makes of it."""

import json
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.logs import configure_logs
from medspace.app.compose.sdk import Space, connect
from medspace.app.demo.processes import started
from medspace.app.demo.retina import data, judging, picture, space
from medspace.app.demo.retina.data import HospitalPhotographs, Photographs
from medspace.app.demo.space import Party, free_ports, lay_out, lay_out_one
from medspace.app.demo.story import DemoError, DemoFolderError, admit, export, running
from medspace.app.doors.cli.screen import Screen
from medspace.app.features.audit.auditing import verify_files
from medspace.core.canonical import JsonObject
from medspace.core.hashing import digest_bytes
from medspace.core.text import Fact, Text, msgid
from medspace.learning.net.convolution import torch

ROUNDS, EPOCHS = 20, 3
WAIT = 3600.0  # seconds for the training, on a loaded machine
STEPS = (
    msgid("connectors start"),
    msgid("the authority admits the members"),
    msgid("contracts are agreed"),
    msgid("five hospitals train together"),
    msgid("each hospital adjusts the model to its patients"),
    msgid("a clinic with another camera joins"),
    msgid("anybody verifies the logs, offline"),
)
CLINIC = ("clinic", "Eye Clinic Nanded", "IN")
Advance = Callable[[float, Text], None]  # how far, from 0 to 1, and what begins
Progress = Callable[[Screen], AbstractContextManager[Advance]]


@dataclass(frozen=True, slots=True)
class PilotPlan:
    """What is done: from where, with which seed, for how many rounds, and whether the clinic joins.

    With the same seed and the same first `port` (0: any free ones), which is part of who the hospitals are, the model
    is the same to the bit, whether the connectors are `processes` or run in this one.
    """

    seed: int
    rounds: int = ROUNDS
    epochs: int = EPOCHS
    folder: Path | None = None
    source: Path | None = None
    joins: bool = True
    port: int = 0
    processes: bool = False


def run_pilot(screen: Screen, plan: PilotPlan, progress: Progress) -> None:
    """Tell the story and show what came of it; with a folder, its files stay."""
    configure_logs("error", "text")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # exits like Ctrl-C: a temporary folder is deleted
    began = time.perf_counter()
    torch()  # whoever lacks it is told now, not after the contracts
    hospitals = data.split(data.retina(plan.source), plan.seed)
    clinic = data.clinic(plan.source) if plan.joins else None
    with ExitStack() as stack:
        if plan.folder is not None and plan.folder.exists() and any(plan.folder.iterdir()):
            raise DemoFolderError(folder=str(plan.folder))
        home = plan.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medspace-pilot-")))
        advance = stack.enter_context(progress(screen))
        ports = range(plan.port, plan.port + space.PORTS) if plan.port else free_ports(space.PORTS)
        result = _Story(screen, plan, home, ports, advance, stack).told(hospitals, clinic)
        result["pilot.seconds"] = round(time.perf_counter() - began, 1)
        (home / "pilot.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        (home / "pilot.svg").write_text(picture.drawn(result), encoding="utf-8")
    screen.show(result, lambda: show(screen, result, plan.folder))


@dataclass(frozen=True)
class _Story:
    """The story while it is told."""

    screen: Screen
    plan: PilotPlan
    home: Path
    ports: Sequence[int]  # the last two are the clinic's
    advance: Advance
    stack: ExitStack

    def told(self, hospitals: Mapping[str, HospitalPhotographs], clinic: Photographs | None) -> JsonObject:
        """Everything that came of it, as JSON."""
        held = {key: one.train for key, one in hospitals.items()}
        members = space.parties(self.ports[:-2])
        spaces, company = self._opened(members, held)
        self._next(2, 0.05)
        agreed = [company.negotiate(found["participant"], found["id"]) for found in company.catalog()]
        self._next(3, 0.08)
        task = space.task(self.plan.seed, rounds=self.plan.rounds, epochs=self.plan.epochs)
        cpu = time.process_time()
        run = company.train(task, [one["agreement"] for one in agreed], progress=self._follow, wait=WAIT)
        cpu = time.process_time() - cpu  # of all connectors, unless they are processes of their own
        self._next(4, 0.9)
        net = judging.SharedNet.of(task, run["model"])
        result = judged(net, hospitals)
        if clinic is not None:
            self._next(5, 0.94)
            result |= self._joined(members, spaces, clinic, net)
        self._next(6, 0.97)
        result |= self._proven(spaces, run)
        result["training"]["cpu"] = None if self.plan.processes else round(cpu, 2)
        return result | {"contract": agreed[0]["contract"], "task": task}

    def _opened(self, members: tuple[Party, ...], held: dict[str, Photographs]) -> tuple[dict[str, Space], Space]:
        self._next(0, 0.0)
        configs = lay_out(self.home, members, space.holding(held, self.plan.seed))
        self._start(list(configs.values()))
        spaces = {key: self._connected(file) for key, file in configs.items()}
        self._next(1, 0.04)
        admit(members, spaces)
        return spaces, spaces["company"]

    def _start(self, configs: Sequence[Path]) -> None:
        self.stack.enter_context(started(configs) if self.plan.processes else running(configs))

    def _connected(self, file: Path) -> Space:
        made: Space = self.stack.enter_context(connect(file, language=self.screen.language, owner=True))
        return made

    def _next(self, step: int, done: float) -> None:
        self.advance(done, Text(STEPS[step]))

    def _follow(self, run: JsonObject) -> None:
        share = run["rounds"] / max(run.get("max_rounds") or 1, 1)
        facts: dict[str, Fact | Text] = {"round": run["rounds"], "of": run.get("max_rounds") or 0}
        self.advance(
            0.08 + 0.82 * share, Text(msgid("five hospitals train together: question {round} of {of}"), facts)
        )

    def _joined(
        self, members: tuple[Party, ...], spaces: dict[str, Space], clinic: Photographs, net: judging.SharedNet
    ) -> JsonObject:
        """The clinic becomes a member on the terms of the others, and adapts the model with its few labels."""
        party = Party(*CLINIC, "holder", (self.ports[-2], self.ports[-1]))
        key = spaces["company"].status()["authority_key"]
        file = lay_out_one(self.home, party, members[0].did, key, space.holding({party.key: clinic}, self.plan.seed))
        self._start([file])
        spaces[party.key] = self._connected(file)
        admit((members[0], party), spaces)
        spaces["company"].refresh()
        spaces["company"].negotiate(party.did, space.ASSET)
        found = judging.transferred(net, clinic, self.plan.seed)
        return {"transfer": found, "transfer.idrid_auc": found["transfer"]}

    def _proven(self, spaces: Mapping[str, Space], run: JsonObject) -> JsonObject:
        """The card of the model, and what an auditor finds in the logs of all."""
        company, model = spaces["company"], run["model"]["id"]
        (self.home / "card.html").write_text(company.model_card_page(model), encoding="utf-8")
        card = company.model_card(model)
        (self.home / "card.json").write_text(json.dumps(card), encoding="utf-8")
        report = verify_files(export(spaces, self.home), company.status()["authority_key"], self.screen.language)
        if report["outcome"] != "verified":
            raise DemoError(reason=Text(msgid("the logs of the members do not agree")))
        weights = digest_bytes("\n".join(run["model"]["weights"]).encode())
        said = {"id": model, "digest": run["model"]["digest"], "weights": weights}
        return {
            "model": said | {"card": company.check_model_card(card)["by"]},
            "training": {name: run[name] for name in ("rounds", "seconds")} | {"losses": run["model"]["losses"]},
            "protection": run["model"]["lineage"]["protection"],
            "audit": {"entries": report["entries"], "verified": True},
        }


def judged(net: judging.SharedNet, hospitals: Mapping[str, HospitalPhotographs]) -> JsonObject:
    """The shared net on the official test split, and at each hospital before and after its own adjustment."""
    sites: list[JsonObject] = []
    judge = [one.judge for one in hospitals.values()]
    for key, own in hospitals.items():
        adjusted = judging.personal(net, own)
        before = judging.graded(net.chances(own.judge), own.judge.grades)
        after = judging.graded(net.chances(own.judge, adjusted), own.judge.grades)
        kept = {"scale": round(adjusted.scale, 4), "shifts": [round(one, 4) for one in adjusted.shifts]}
        sites.append({"site": key, "trained_on": own.train.count, "untouched": before, "personal": after} | kept)
    whole = judging.graded(net.chances(data.joined(judge)), data.joined(judge).grades)
    return {
        "retina.auc": whole["auc"],
        "retina.accuracy": whole["accuracy"],
        "retina.worst_ece": max(one["personal"]["ece"] for one in sites),
        "retina.worst_ece.untouched": max(one["untouched"]["ece"] for one in sites),
        "sites": sites,
    }


def show(screen: Screen, result: JsonObject, folder: Path | None) -> None:
    """What came of it, for people."""
    facts = {"auc": f"{result['retina.auc']:.3f}", "accuracy": f"{result['retina.accuracy']:.3f}"}
    screen.line(Text(msgid("Official test split: AUC {auc}, accuracy {accuracy}."), facts))
    names = (msgid("hospital"), msgid("images"), msgid("AUC"), msgid("ECE"), msgid("ECE after its adjustment"))
    rows = [
        (one["site"], one["trained_on"], *(f"{one[which][what]:.3f}" for which, what in _SHOWN))
        for one in result["sites"]
    ]
    screen.table(Text(msgid("Each hospital, on its own test images")), [Text(name) for name in names], rows)
    if "transfer" in result:
        found = result["transfer"]
        told = {name: f"{found[name]:.3f}" for name in ("untouched", "harmonised", "transfer", "local")}
        screen.line(Text(_JOINED, told | {"labelled": found["labelled"]}))
    count: dict[str, Fact | Text] = {"entries": result["audit"]["entries"], "seconds": result["pilot.seconds"]}
    screen.line(Text(msgid("{entries} log entries verified. {seconds} s in all."), count))
    if folder is not None:
        screen.line(Text(msgid("Card, picture and logs are in {folder}."), {"folder": str(folder)}))


_SHOWN = (("untouched", "auc"), ("untouched", "ece"), ("personal", "ece"))
_JOINED = msgid(
    "The clinic with another camera, referable disease, AUC: the model as it is {untouched}, on harmonised images "
    "{harmonised}, with a new head from {labelled} labelled images {transfer}; without the model {local}."
)
