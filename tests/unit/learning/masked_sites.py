"""Sites under masks, without the masks: the totals are those that the protocol would find, by adding integers."""

from dataclasses import dataclass, field

import msgspec

from medspace.core.canonical import canonical
from medspace.core.usage import Brakes
from medspace.learning.glm.masked import MaskedGlms
from medspace.runs.masked.ports import TaskQuestion
from tests.admissions import admission
from tests.unit.learning.simulated import TableSource, dictionary_of

ALL_ON = Brakes()


@dataclass
class MaskedRun:
    """One task over tables by DID; `follow` is what each site does, `propose` what one of them does."""

    document: dict
    tables: dict
    least: int = 1
    brakes: Brakes = ALL_ON
    states: list = field(default_factory=list)
    totals: list = field(default_factory=list)
    proposals: list = field(default_factory=list)
    tasks: object = field(default_factory=MaskedGlms)

    def __post_init__(self):
        self.summed = self.tasks.summed(self.document)
        self.described = dictionary_of(*self.tables.values())
        self.opened = {}
        self.history = ()

    def admitted(self, site):
        return admission(asset=site, min_cohort=self.least, brakes=self.brakes, history=self.history)

    def material(self, site):
        if site not in self.opened:
            self.opened[site] = TableSource(self.tables[site], self.described).open(self.admitted(site))
        return self.opened[site]

    def travelled(self, state):
        asked = self.summed.asked(state)
        return msgspec.json.decode(msgspec.json.encode(asked), type=TaskQuestion)

    def sums(self, site, state, number):
        found, persons = self.tasks.summing.sums(
            self.admitted(site),
            self.document,
            self.travelled(state),
            self.summed.shape(state),
            self.material(site),
            number,
        )
        assert persons >= self.least
        return found

    def total(self, state, number):
        vectors = [self.sums(site, state, number) for site in self.tables]
        return [sum(values) for values in zip(*vectors, strict=True)]

    def step(self, state):
        """The next state; canonical JSON there and back at every hand-over."""
        number = len(self.states) + 1
        total = self.total(state, number)
        self.summed.check(state, total, len(self.tables))
        proposal = again(self.summed.propose(state, total))
        self.states.append(state)
        self.totals.append(total)
        self.proposals.append(proposal)
        return again(self.summed.follow(state, total, proposal, len(self.tables)))

    def outcome(self):
        state = again(self.summed.first())
        while self.summed.asked(state) is not None:
            state = self.step(state)
        self.states.append(state)
        return again(self.summed.outcome(state))

    def fitted(self):
        return self.summed.result(self.outcome(), tuple(self.tables), {})


def again(document):
    """As it comes out of canonical JSON."""
    return msgspec.json.decode(canonical(document))
