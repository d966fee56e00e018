"""A table of sites that add up under masks, all in one process: real keys, real masks, a coordinator made by hand.

`Coordinated` says what is carried from whom to whom; a test changes it to lie, to leave out, to repeat. `at` gives a
table in the middle of a run; runs up to there are played once.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.connector.usage.seats import SeatPeers, SiteIdentity
from medspace.core.engine import MASKED_SUMS, Workplace
from medspace.core.text import Text
from medspace.core.usage import Admission, Output, Step
from medspace.runs import manifest as manifests
from medspace.runs.errors import RunError
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from medspace.runs.masked.leading import Kinds, MaskedProcedure
from medspace.runs.masked.ports import Shape, TaskQuestion
from medspace.runs.masked.site import MaskedSite
from medspace.runs.ports import Answer, Demands, Question, Result
from medspace.trust.envelope import EnvelopeKey
from tests.runs import Everybody, manifest_of
from tests.signing import hybrid_of

USER = "did:web:user"
COORDINATOR = "did:web:coordinator"
FRACTION = 8
QUESTIONS = 3
CLOCK = ManualClock(datetime(2029, 1, 1, tzinfo=UTC))


class LeadsNowhereError(RunError):
    """The total leads nowhere."""

    code = "toy.nowhere"


@dataclass(frozen=True)
class Toy:
    """Adds up numbers, three times: each question is the total before it, halved by whoever proposes."""

    nowhere: bool = False
    questions: int = QUESTIONS
    restarts: bool = False  # once a site has left

    def first(self):
        return {"question": 1, "about": "0", "persons": 0}

    def asked(self, state):
        return None if state["question"] > self.questions else TaskQuestion("sum", {"about": int(state["about"])})

    def shape(self, state):
        return Shape(3, FRACTION, 1 << 40)

    def check(self, state, total, sites):
        if not 0 <= total[0] <= sites << 40:
            raise TotalInvalidError(round=state["question"], reason=Text("it is out of range"))

    def propose(self, state, total):
        return {"half": str(total[0] // 2)}

    def follow(self, state, total, proposal, sites=0):
        if proposal != {"half": str(total[0] // 2)}:
            raise ProposalInvalidError(state["question"], Text("it is not half of it"))
        if self.nowhere:
            raise LeadsNowhereError
        return {"question": state["question"] + 1, "about": proposal["half"], "persons": total[2]}

    def without(self, state):
        return self.first() if self.restarts else None

    def persons(self, state):
        return state["persons"]

    def objective(self, state):
        return str(int(state["about"]))

    def outcome(self, state):
        return {"about": state["about"], "persons": state["persons"]}

    def result(self, outcome, sites, own):
        return Result({"about": outcome["about"], "own": dict(own)}, outcome["persons"], tuple(sites))


@dataclass
class ToySums:
    """One site's number; what it answered is kept for the tests."""

    number: int
    asked: list = field(default_factory=list)

    def sums(self, admission, task, asked, shape, material, step_round):
        self.asked.append((step_round, asked))
        return [self.number << FRACTION, -self.number + asked.inputs["about"] % 7, 20], 20

    def own_quality(self, admission, task, asked, material, step_round):
        return {"own": self.number}, 20


@dataclass
class ToyTask:
    """The line of the toy."""

    summing: ToySums
    toy: Toy = field(default_factory=Toy)
    name: str = "toy"

    def summed(self, task):
        return self.toy


ADMISSION = Admission(
    id="urn:a",
    agreement="urn:agreement",
    use="urn:use",
    holder="",
    user=USER,
    asset="a",
    kind="medspace:train",
    purpose="p",
    task="",
    outputs=(),
    min_cohort=5,
    min_sites=3,
    expires=datetime(2030, 1, 1, tzinfo=UTC),
    entry=1,
)


@dataclass
class Seated:
    """One site at the table."""

    did: str
    engine: MaskedSite
    keys: SeatPeers
    randomness: SeededRandomness
    listed: frozenset[str] = frozenset()
    protection: str = ""
    memory: bytes | None = None
    said: list[tuple[Step, Output]] = field(default_factory=list)
    answered: dict[tuple[int, str], Output] = field(default_factory=dict)

    def answer(self, step: Step) -> Output:
        """Do a step without its end: nothing is remembered yet."""
        workplace = Workplace(
            None, self.randomness, ManualClock(datetime(2029, 1, 1, tzinfo=UTC)), self.memory, self.keys
        )
        admission = replace(ADMISSION, holder=self.did, listed=self.listed, protection=self.protection)
        return self.engine.answer(admission, step, workplace)

    def do(self, step: Step) -> Output:
        """Do a step to its end."""
        return self.end(step, self.answer(step))

    def end(self, step: Step, output: Output) -> Output:
        """An answer leaves, and what goes with it is remembered."""
        if output.memory is not None:
            self.memory = output.memory
        self.said.append((step, output))
        self.answered[step.round, step.name] = output
        return output

    def again(self, step: Step) -> Output:
        """Do a step, or give the answer that it got before, as usage control does."""
        known = self.answered.get((step.round, step.name))
        return self.do(step) if known is None else known

    def copied(self) -> "Seated":
        """The same site, which goes its own way from now on."""
        return replace(
            self,
            engine=MaskedSite(replace(self.engine.task, summing=ToySums(self.engine.task.summing.number))),
            randomness=SeededRandomness(random.getrandbits(64)),
            said=list(self.said),
            answered=dict(self.answered),
        )


@lru_cache
def keys_of(site: str) -> Any:
    """The signer of a party, made once."""
    return hybrid_of(site)


def names(count: int) -> list[str]:
    return [f"did:web:site{number:03d}" for number in range(count)]


def seated(
    numbers: Sequence[int],
    *,
    colluders: int = 1,
    min_sites: int = 3,
    leaving: Sequence[int] = (),
    nonce: str = "0" * 64,
    toy: Toy | None = None,
    signers: Callable[[str], Any] = keys_of,
    protection: str = "",
) -> dict[str, Seated]:
    """Sites with these numbers, each with the keys of the run."""
    sites = names(len(numbers))
    task = {"task": "toy"}
    manifest = manifest_of(
        USER,
        task,
        {site: f"urn:agreement:{site}" for site in sites},
        protocol=MASKED_SUMS,
        min_sites=min_sites,
        coordinator=COORDINATOR,
        nonce=nonce,
        colluders=colluders,
    )
    keys = {site: EnvelopeKey.generate(SeededRandomness(number)) for number, site in enumerate(sites)}
    leaves = {sites[number] for number in leaving}
    texts = tuple(
        manifests.sign_key(manifest, site, key.public, signers(site), leaves=site in leaves)
        for site, key in keys.items()
    )
    found = {}
    for number, site in enumerate(sites):
        identity = SiteIdentity(signers(site), Everybody(hybrid=True), _nobody, CLOCK)
        peers = SeatPeers(site, manifest, texts, identity, lambda key=keys[site]: key, lambda: None)
        line = ToyTask(ToySums(numbers[number]), toy or Toy())
        found[site] = Seated(site, MaskedSite(line), peers, SeededRandomness(1000 + number), protection=protection)
    return found


async def _nobody() -> bool:
    return False


@dataclass
class Coordinated:
    """A coordinator by hand: leads the sites by the real procedure; `carry` may change each step on its way.

    `gone` are sites that do not answer a step any more, by its name and question.
    """

    sites: Mapping[str, Seated]
    carry: Callable[[str, Step], Step] = lambda _site, step: step
    gone: Callable[[str, str, int], bool] = lambda _site, _step, _question: False
    procedure: MaskedProcedure = field(
        default_factory=lambda: MaskedProcedure(
            Toy(), Kinds("toy.progress", "toy.model"), {"task": "toy"}, Demands(), (), None
        )
    )
    task: Mapping[str, Any] = field(default_factory=lambda: {"task": "toy"})
    mail: dict[str, dict[str, str]] = field(default_factory=dict)
    number: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = self.state or self.procedure.first()

    def step(self) -> bool:
        """One step of the protocol; whether there was one."""
        self.number += 1
        questions = self.procedure.questions(self.state, self.number)
        if questions is None:
            return False
        gathering = self.procedure.gathering(self.state, self.number)
        asked = questions if isinstance(questions, Mapping) else dict.fromkeys(self.sites, questions)
        sent: dict[str, dict[str, str]] = {}
        lost = False
        for site, question in asked.items():
            if self.gone(site, question.step, int(question.inputs.get("question", 0))):
                lost = True
                continue
            output = self.sites[site].do(self.carry(site, self.brought(site, question)))
            gathering.add(self.answered(site, output), 1)
            for peer, message in output.outbox.items():
                sent.setdefault(peer, {})[site] = message
        left = {site: mail for site, mail in self.mail.items() if site not in asked}
        for peer, mail in sent.items():
            left[peer] = left.get(peer, {}) | mail
        self.mail = left
        self.state = gathering.state(lost=lost)
        return True

    def brought(self, site: str, question: Question) -> Step:
        return Step(dict(self.task), self.number, question.step, question.inputs, inbox=self.mail.get(site, {}))

    def answered(self, site: str, output: Output) -> Answer:
        return Answer(site, "urn:r", self.number, output.kind, output.values, output.cohort, "", outbox=output.outbox)

    def until(self, step: str, question: int = 1) -> None:
        """Up to just before this step of this question."""
        while (self.state["next"], self.state["question"]) != (step, question):
            assert self.step()

    def due(self) -> dict[str, Step]:
        """What the next step of the protocol brings to whom."""
        self.number += 1
        questions = self.procedure.questions(self.state, self.number)
        asked = questions if isinstance(questions, Mapping) else dict.fromkeys(self.sites, questions)
        return {site: self.brought(site, question) for site, question in asked.items()}

    def copied(self) -> "Coordinated":
        """The same run, which goes its own way from now on."""
        sites = {site: seat.copied() for site, seat in self.sites.items()}
        return replace(
            self, sites=sites, mail={site: dict(mail) for site, mail in self.mail.items()}, state=dict(self.state)
        )

    def to_the_end(self) -> Result:
        while self.step():
            pass
        return self.procedure.result(self.state)


def at(step: str, question: int = 1, numbers: Sequence[int] = (11, 22, 33, 44), **terms: Any) -> Coordinated:
    """A table just before a step of a question; `terms` as `seated` takes them."""
    return _at(step, question, tuple(numbers), tuple(sorted(terms.items()))).copied()


@lru_cache
def _at(step: str, question: int, numbers: tuple[int, ...], terms: tuple[tuple[str, Any], ...]) -> Coordinated:
    before = _BEFORE[step]
    if step == "share":
        return Coordinated(seated(numbers, **dict(terms)))
    earlier = question - 1 if step == "contribute" and question > 1 else question
    begins = (step, question) == ("contribute", 1)
    table = at("share" if begins else before, earlier, numbers, **dict(terms))
    table.until(step, question)
    return table


_BEFORE = {
    "share": "",
    "contribute": "propose",
    "agree": "contribute",
    "open": "agree",
    "propose": "open",
    "result": "propose",
}
