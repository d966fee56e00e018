"""The seats of a run: all shown one manifest, each asked its own question, and mail that nobody on the way reads."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.app.doors.bodies import json_response
from medspace.app.doors.protocol.public import _read_step
from medspace.connector.errors import MessageError
from medspace.core import limits
from medspace.core.hashing import digest
from medspace.core.text import Text
from medspace.core.usage import release_digest
from medspace.ledger.model import decode
from medspace.runs import manifest as manifests
from medspace.runs import rules
from medspace.runs.errors import AnswersInvalidError, SiteRefusedError
from medspace.runs.masked.messages import Opening, QuestionProposal, SharedSeed, written
from medspace.runs.model import CHECKPOINTS, RunState
from medspace.runs.ports import Answer, Demands, Question, Result
from medspace.runs.service import Coordinator
from tests.masked import names, seated
from tests.unit.learning.simulated import SIGNER, SimulatedSites, coordinator, did, seats
from tests.unit.runs.test_coordinator import TABLES, task

A, B, C = did(0), did(1), did(2)
SITES = (A, B, C)


def shown_to(sites):
    """The manifests that each site was shown, in order."""
    read = [(site, manifests.kept(text)) for site, text in sites.shown]
    return {site: [manifest for shown, manifest in read if shown == site] for site in dict(read)}


async def test_every_site_is_shown_one_manifest_and_gets_the_keys_of_all():
    sites = SimulatedSites(TABLES)
    run = await coordinator(sites).train(task(min_sites=2), list(reversed(seats(TABLES))))
    (one,) = {manifest for shown in shown_to(sites).values() for manifest in shown}
    assert (one.run, one.task, one.sites) == (run.id, run.task_digest, tuple(sorted(TABLES)))
    assert (one.min_sites, one.protocol, one.user) == (2, "coordinator-sees-sums", one.coordinator)
    assert {tuple(sorted(keys)) for keys in sites.keys.values()} == {tuple(f"key of urn:use:{s}" for s in TABLES)}


@dataclass
class Shy(SimulatedSites):
    """One site takes no seat, or none next to the others."""

    refusing: str = ""
    late: bool = False

    async def seat(self, use, manifest):
        if use.endswith(self.refusing) and not self.late:
            raise SiteRefusedError(site=self.refusing, reason="no", refusal="run.operator")
        return await super().seat(use, manifest)

    async def seated(self, use, keys):
        if use.endswith(self.refusing) and self.late:
            raise SiteRefusedError(site=self.refusing, reason="no", refusal="run.seat_key")
        await super().seated(use, keys)


@pytest.mark.parametrize("late", [False, True])
async def test_a_lost_seat_is_in_no_manifest_that_anything_is_asked_under(late):
    sites = Shy(TABLES, refusing=B, late=late)
    leader = coordinator(sites)
    run = await leader.train(task(site_faults="exclude"), seats(TABLES))
    assert run.state is RunState.FINISHED
    assert [(fault.site, fault.round) for fault in run.faults] == [(B, 0)]
    last = {manifest for site, shown in shown_to(sites).items() if site != B for manifest in shown[-1:]}
    assert len(last) == 1
    assert B not in last.pop().sites
    assert all(f"key of urn:use:{B}" not in keys for site, keys in sites.keys.items() if site != B)


async def test_a_run_of_too_few_seats_ends_before_anything_is_asked():
    sites = Shy(TABLES, refusing=B)
    run = await coordinator(sites).train(task(site_faults="exclude", min_sites=len(TABLES)), seats(TABLES))
    assert (run.state, run.failure.code, sites.asked) == (RunState.FAILED, "learning.too_few_sites", [])


# --- a procedure that asks each seat something else ----------------------------------------------------------------


@dataclass
class Set:
    """Judges nothing but the whole set."""

    number: int
    values: dict = field(default_factory=dict)

    def add(self, answer, least):
        self.values[answer.site] = answer.values["value"]
        return 0

    def state(self, *, lost):
        if self.number == 2 and sum(self.values.values()) % 2:
            raise AnswersInvalidError(round=self.number, reason=Text("an odd sum"))
        return {"round": self.number, "lost": lost, "values": self.values}


@dataclass
class EachItsOwn:
    document: dict
    demands = Demands(min_sites=2)
    needs = ()

    def first(self):
        return {"round": 0}

    def questions(self, state, number):
        return [
            {site: Question("deal", "own.deal", {"for": site}, message=True) for site in SITES[:2]},
            {A: Question("first", "own.value", {"a": 1}), C: Question("last", "own.value", {"c": 2})},
            None,
        ][state["round"]]

    def gathering(self, state, number):
        return Set(number)

    def without(self, state):
        return self.first()

    def objective(self, state):
        return None

    def result(self, state):
        return Result({"values": state["values"]}, 7, SITES)


class EachItsOwnAlgorithm:
    kind, name = "medspace:train", "own"

    def prepare(self, document):
        return EachItsOwn(dict(document))


@dataclass
class Post:
    """Sites that send one another messages; `boxes` replaces what a site sends."""

    boxes: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    async def begin(self, run, agreement, kind):
        return agreement.replace("agreement", "use")

    async def seat(self, use, manifest):
        return "key"

    async def seated(self, use, keys):
        pass

    async def end(self, use):
        pass

    async def ask(self, use, step):
        site = use.removeprefix("urn:use:")
        self.asked.append((site, step.name, step.inputs, dict(step.inbox)))
        kind, cohort = ("own.deal", 0) if step.name == "deal" else ("own.value", 5)
        outbox = self.boxes.get(site, {C: f"from {site}"}) if step.name == "deal" else {}
        values = {"value": self.values.get(site, 2)}
        said = release_digest(kind, step.round, cohort, values, outbox=outbox)
        return Answer(site, f"urn:release:{site}:{step.round}", step.round, kind, values, cohort, said, outbox=outbox)


async def led(post, database=None):
    database = database or MemoryDatabase()
    leader = Coordinator(
        database, post, ManualClock(), SeededRandomness(), "did:web:u", SIGNER, (EachItsOwnAlgorithm(),), noted=str
    )
    return leader, await leader.train({"task": "own"}, seats(SITES))


async def test_each_seat_is_asked_its_own_question_and_gets_its_mail():
    post, database = Post(), MemoryDatabase()
    leader, run = await led(post, database)
    assert run.failure is None
    assert sorted(post.asked) == sorted(
        [
            (A, "deal", {"for": A}, {}), (B, "deal", {"for": B}, {}),
            (A, "first", {"a": 1}, {}), (C, "last", {"c": 2}, {A: f"from {A}", B: f"from {B}"}),
        ]
    )  # fmt: skip
    assert (await leader.model(run.id)).result == {"values": {A: 2, C: 2}}


async def test_the_log_notes_the_question_of_each_seat():
    database = MemoryDatabase()
    _, run = await led(Post(), database)
    log = [decode(raw) for raw in await database.read(lambda tx: tx.log.entries(0, tx.log.size()))]
    first, second = (entry.facts for entry in log if entry.kind == "run.round")
    assert (first["step"], second["step"]) == ("deal", "first+last")
    assert [(one["step"], one["question"]) for one in second["answers"]] == [
        ("first", digest({"a": 1})), ("last", digest({"c": 2})),
    ]  # fmt: skip
    assert first["manifest"] == second["manifest"] == manifests.named(run.manifest)


async def test_a_round_whose_seat_is_gone_before_it_is_asked_is_noted_by_its_name():
    class Turn(EachItsOwn):
        demands = Demands(min_sites=2, site_faults="exclude")

        def questions(self, state, number):
            return [{B: Question("propose", "own.value")}, None][state["round"]]

    class Gone(Post):
        async def begin(self, run, agreement, kind):
            if B in agreement:
                raise SiteRefusedError(site=B, reason="no")
            return await super().begin(run, agreement, kind)

    database = MemoryDatabase()
    algorithm = EachItsOwnAlgorithm()
    algorithm.prepare = lambda document: Turn(dict(document))
    leader = Coordinator(
        database, Gone(), ManualClock(), SeededRandomness(), "did:web:u", SIGNER, (algorithm,), noted=str
    )
    run = await leader.train({"task": "own"}, seats(SITES))
    assert (run.state, [fault.site for fault in run.faults]) == (RunState.FINISHED, [B])
    log = [decode(raw) for raw in await database.read(lambda tx: tx.log.entries(0, tx.log.size()))]
    (noted,) = (entry.facts for entry in log if entry.kind == "run.round")
    assert (noted["step"], noted["answers"]) == ("propose", [])


async def test_mail_waits_with_the_checkpoint():
    database = MemoryDatabase()
    _, run = await led(Post(values={A: 1}), database)
    assert (run.state, run.failure.code) == (RunState.FAILED, "learning.answers_invalid")
    saved = await database.read(lambda tx: tx.get(CHECKPOINTS, run.id))
    assert saved.mail == {}  # that of the first round was delivered in the second


@pytest.mark.parametrize("box", [{"did:web:stranger": "m"}, {A: "to itself"}, {C: "m" * (limits.MAIL + 1)}])
async def test_mail_for_nobody_or_too_much_of_it_is_not_carried(box):
    _, run = await led(Post({A: box}))
    assert (run.state, [(fault.site, fault.code) for fault in run.faults]) == (
        RunState.FAILED, [(A, "learning.answer_invalid")],
    )  # fmt: skip


ROOM = limits.MAIL // 2  # of each of the two others


@pytest.mark.parametrize("message", ["m" * (ROOM + 1), "\x01" * (ROOM // 6 + 1), "\u00e9" * (ROOM // 2 + 1)])
async def test_who_writes_so_much_that_another_one_could_not_read_its_mail_is_named(message):
    """One seat's message may not take the room of the others', or the seat that gets both would refuse them all."""
    _, run = await led(Post({A: {C: message}}))
    assert [(fault.site, fault.code) for fault in run.faults] == [(A, "learning.answer_invalid")]


async def test_a_seat_reads_whatever_is_carried_to_it():
    post = Post({A: {C: "m" * ROOM}, B: {C: "m" * ROOM}})
    _, run = await led(post)
    assert run.faults == ()
    (brought,) = (inbox for site, name, _, inbox in post.asked if (site, name) == (C, "last"))
    body = {"task": {}, "round": 2, "name": "last", "inputs": {"c": 2}, "inbox": brought}
    step, _ = _read_step(json_response(body).body)
    assert sum(map(len, step.inbox.values())) == limits.MAIL
    more = json_response(body | {"inbox": brought | {A: "m" * (ROOM + 1)}}).body  # the control
    with pytest.raises(MessageError):
        _read_step(more)


def test_mail_of_those_who_are_gone_takes_room_until_it_is_delivered():
    run = SimpleNamespace(seats=seats(SITES), faults=(SimpleNamespace(site=A),))
    assert rules.writing(run, {}) == 2
    assert rules.writing(run, {C: {A: "m", B: "m"}}) == 3


@pytest.mark.parametrize(("count", "group"), [(60, 60), (100, 10)])
def test_honest_mail_fits_whatever_it_says_to_all_others(count, group):
    """Seeds, the shares of a contribution, an opening, a proposal: of one group, or of several in a larger run."""
    sites = names(count)
    keys, peers = seated(range(count), colluders=3, min_sites=count // 2)[sites[0]].keys, sites[1:]
    opening = Opening(dict.fromkeys(sites[:group], bytes(33).hex()), {})
    proposal = QuestionProposal(opening, {"step": ["-1.2345678901234567e-05"] * 50}, keys.sign("1/x", bytes(71)))
    for message in (bytes(32), *map(written, (SharedSeed(bytes(33).hex()), opening, proposal))):
        sealed = keys.seal_all(dict.fromkeys(peers, message), "1/x")
        assert max(map(len, sealed.values())) <= limits.MAIL // len(peers)
