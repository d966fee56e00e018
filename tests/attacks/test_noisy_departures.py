"""A hospital leaves between two totals that ask the same: their difference is its own numbers.

With noise everybody may leave, so this is what a coordinator can do whenever it likes: not carry what a hospital
sends. Real sites, real masks; an attacker who sees every total and knows nobody's rows.
"""

from dataclasses import dataclass, replace

from medspace.core.engine import Workplace
from medspace.core.usage import Brakes
from medspace.privacy.noise.gaussian import LARGEST, SIGMA
from medspace.runs.masked import records
from medspace.runs.masked.ports import Shape
from tests.masked import ADMISSION, CLOCK, FRACTION, Coordinated, Seated, Toy, names, seated

PATIENTS = (31, 27, 44, 29, 35)  # of each hospital: what is to be read of the one that leaves
SITES = names(len(PATIENTS))
VICTIM = 1


@dataclass(frozen=True)
class Same(Toy):
    """Asks the same each time; three sites make up its noise."""

    def shape(self, state):
        return Shape(3, FRACTION, (1 << 40) + LARGEST, shares=3)

    def check(self, state, total, sites):
        """Whatever comes: noise may be below 0."""

    def propose(self, state, total):
        return {}

    def follow(self, state, total, proposal, sites=0):
        return {"question": state["question"] + 1, "about": "0", "persons": sum(PATIENTS)}


class Paid(Seated):
    """A site whose use is bounded by a privacy budget."""

    brakes = Brakes()

    def answer(self, step):
        admission = replace(ADMISSION, holder=self.did, noisy=True, brakes=self.brakes)
        return self.engine.answer(admission, step, Workplace(None, self.randomness, CLOCK, self.memory, self.keys))


def read(off):
    """Whether a number is read to the patient, that is so far off, in units of the point."""
    return int(abs(off) < 1 << (FRACTION - 1))


def off_by(brakes):
    """How far the difference of the two totals is from the number of patients of the hospital that left."""
    sites = {}
    for site, one in seated(PATIENTS, toy=Same()).items():
        sites[site] = Paid(site, one.engine, one.keys, one.randomness)
        sites[site].brakes = brakes
    gone = []
    table = Coordinated(sites, gone=lambda site, _step, _question: site in gone)
    table.procedure = replace(table.procedure, summed=Same())
    table.until("contribute", 2)
    gone.append(SITES[VICTIM])
    table.to_the_end()
    seat = sites[SITES[0]]
    found = [records.read(output.record.decode()) for _, output in seat.said if output.record is not None]
    totals = {one.question: one.numbers for one in found}
    assert {one.question: len(one.sites) for one in found} == {1: 5, 2: 4, 3: 4}
    return totals[1][0] - totals[2][0] - (PATIENTS[VICTIM] << FRACTION)


NAMED = "a hospital leaves a run: its number of patients read off two totals, to the patient"


def test_the_difference_of_two_noisy_totals_tells_as_little_as_was_paid_for(attack_report):
    off = off_by(Brakes())
    assert read(off) == 0
    assert abs(off) < 6 * 3 * SIGMA  # the noise of five and of four
    attack_report(NAMED, got=read(off), of=1, unit="hospitals")


def test_without_noise_the_same_difference_is_exact(attack_report):
    """The control."""
    off = off_by(replace(Brakes(), noise=False))
    assert off == 0
    attack_report(NAMED, control=read(off), of=1, unit="hospitals")
