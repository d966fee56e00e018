"""Any party is killed at any step, before or after its answer: the run resumes, and comes to the same outcome."""

import msgspec
import pytest

from medspace.core.canonical import canonical
from medspace.core.errors import StorageFullError
from medspace.core.usage import Step
from medspace.runs.masked.messages import STEPS
from tests.masked import Coordinated, Seated, at, names, seated

NUMBERS = (11, 22, 33, 44)
SITES = names(4)
PLACES = [("share", 1), *((step, question) for question in (1, 2, 3) for step in STEPS[1:5]), ("result", 3)]


class Killed(Exception):  # noqa: N818 - it is what happens, and no error of anything
    """The party is gone."""


class Surviving(Coordinated):
    """Sites keep what they released, as usage control does; the coordinator keeps its state as JSON.

    `kill` is asked at each moment: who, at which step and question, and when: `asked`, `worked`, `released`,
    `gathered`, `stored`.
    """

    kill = staticmethod(lambda *_: False)
    killed = 0
    stored = b""

    def step(self):
        while True:
            try:
                return self.once()
            except Killed:
                self.killed += 1

    def once(self):
        """One step from what is stored; nothing of it lasts where the coordinator is killed."""
        state, mail, number = msgspec.json.decode(self.stored)
        questions = self.procedure.questions(state, number + 1)
        if questions is None:
            return False
        self.state, self.mail, self.number = state, mail, number
        steps, gathering = self.due(), self.procedure.gathering(state, number + 1)
        sent = {}
        for site, due in steps.items():
            output = self.asked(site, due)
            gathering.add(self.answered(site, output), 1)
            for peer, message in output.outbox.items():
                sent.setdefault(peer, {})[site] = message
            self.moment("coordinator", due, "gathered")
        left = {site: one for site, one in mail.items() if site not in steps}
        for peer, one in sent.items():
            left[peer] = left.get(peer, {}) | one
        self.stored = msgspec.json.encode((gathering.state(lost=False), left, number + 1))
        self.state, self.mail = msgspec.json.decode(self.stored)[0], left
        self.moment("coordinator", due, "stored")
        return True

    def asked(self, site, due: Step):
        """Ask until there is an answer: a site that was killed is asked again."""
        seat = self.sites[site]
        while True:
            try:
                self.moment(site, due, "asked")
                if (due.round, due.name) not in seat.answered:
                    output = seat.answer(due)
                    self.moment(site, due, "worked")
                    seat.end(due, output)
                    self.moment(site, due, "released")
                return seat.answered[due.round, due.name]
            except Killed:
                self.killed += 1

    def moment(self, who, due, when):
        if self.kill(who, due.name, due.inputs.get("question", 1), when):
            raise Killed

    def to_the_end(self):
        self.stored = self.stored or msgspec.json.encode((self.state, self.mail, self.number))
        while self.step():
            pass
        return self.procedure.result(self.state)


def surviving(table, kill):
    made = Surviving(table.sites, procedure=table.procedure, mail=table.mail, number=table.number, state=table.state)
    made.kill = kill
    return made


class Once:
    """Kills one party at one moment."""

    def __init__(self, *moment):
        self.moment, self.done = moment, False

    def __call__(self, *moment):
        if self.done or moment != self.moment:
            return False
        self.done = True
        return True


def outcome(result):
    return canonical(result.content["opened"]["outcome"]), result.content["opened"]["digest"]


def expected():
    return outcome(at("result", 3).to_the_end())


@pytest.mark.parametrize(("step", "question"), PLACES)
@pytest.mark.parametrize("who", ["coordinator", *SITES])
@pytest.mark.parametrize("when", ["before its answer", "after its answer"])
def test_a_party_that_is_killed_changes_no_bit_of_the_outcome(who, step, question, when):
    site = {"before its answer": "worked", "after its answer": "released"}
    coordinator = {"before its answer": "gathered", "after its answer": "stored"}
    kill = Once(who, step, question, (coordinator if who == "coordinator" else site)[when])
    table = surviving(at(step, question), kill)
    result = table.to_the_end()
    assert outcome(result) == expected()
    proposes = step != "propose" or who in ("coordinator", at(step, question).state["proposer"])
    assert kill.done == proposes  # of a step that is one site's, no other can be killed in it


def test_all_parties_are_killed_at_every_moment_of_a_run():
    seen = set()

    def kill(*moment):
        if moment in seen:
            return False
        seen.add(moment)
        return True

    table = surviving(Coordinated(seated(NUMBERS)), kill)
    assert outcome(table.to_the_end()) == expected()
    assert table.killed == len(seen) > 150


def test_a_disk_that_is_full_when_an_answer_leaves_opens_nothing(monkeypatch):
    """The site remembers what it did before, so that it does its step again, once there is room."""
    table = surviving(at("open", 1), lambda *_: False)
    full = {SITES[2]}

    ends = Seated.end

    def end(seat, step, output):
        if seat.did in full:
            raise StorageFullError
        return ends(seat, step, output)

    monkeypatch.setattr(Seated, "end", end)
    before = table.sites[SITES[2]].memory
    with pytest.raises(StorageFullError) as raised:
        table.to_the_end()
    assert (raised.value.code, bool(str(raised.value.advice))) == ("storage.full", True)
    assert table.sites[SITES[2]].memory == before
    full.clear()
    assert outcome(table.to_the_end()) == expected()
