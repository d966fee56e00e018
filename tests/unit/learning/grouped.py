"""Hospitals in groups that fit a model with noise under masks, of which some may lie about what they add up."""

from dataclasses import dataclass, field, replace
from typing import Any

from medspace.core.engine import MASKED_GROUPS, MASKED_SUMS, Workplace
from medspace.core.usage import Brakes
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.noisy.following import NoisyPhase
from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.masked.site import MaskedSite
from tests.masked import ADMISSION, CLOCK, Coordinated, Seated, seated
from tests.unit.learning.noisy import TASK, NoisyRun, patients

ROBUST = {"groups": 3, "trim": 1}
EPSILON = 10.0


def task(*, groups: bool) -> dict[str, Any]:
    """The task, with groups or without."""
    noise = {"noise": {"epsilon": EPSILON}}
    said = {"robust": ROBUST, "protection": MASKED_GROUPS} if groups else {"protection": MASKED_SUMS}
    return TASK | noise | said


@dataclass
class Lying:
    """A hospital's gradients, times something; the rules of its own house do not bind it."""

    summing: Any
    times: int = 1

    def sums(self, *asked: Any) -> tuple[list[int], int]:
        """What it says of its rows."""
        numbers, persons = self.summing.sums(*asked)
        times = self.times if asked[2].name == NoisyPhase.GRADIENT else 1
        return [times * number for number in numbers], persons

    def own_quality(self, *asked: Any) -> None:
        """Nothing."""


class Hospital(Seated):
    """One hospital at the table; `rows` are its patients."""

    rows: Any = None
    brakes = Brakes()

    def answer(self, step: Any) -> Any:
        """Do a step; rows are there for those that ask for some."""
        admission = replace(
            ADMISSION, holder=self.did, asset=self.did, brakes=self.brakes, protection=self.protection
        )
        rows = self.rows if step.name == "contribute" else None
        return self.engine.answer(admission, step, Workplace(rows, self.randomness, CLOCK, self.memory, self.keys))


@dataclass
class Hospitals:
    """A run of nine hospitals, of which those in `lies` multiply what they add up."""

    groups: bool = True
    lies: dict[int, int] = field(default_factory=dict)
    seats: int = 9
    each: int = 200

    def table(self, **more: Any) -> Coordinated:
        """Before the first step."""
        document = task(groups=self.groups)
        procedure = GlmAlgorithm().prepare(document)
        opened = NoisyRun([patients(self.each, seed) for seed in range(self.seats)]).sites
        sites = {}
        placed = seated([0] * self.seats, colluders=0, protection=document["protection"])
        for number, (site, one) in enumerate(placed.items()):
            engine = GlmEngine()
            kind = MaskedGlms(Lying(MaskedGlms().summing, self.lies.get(number, 1)))
            engine.masked = MaskedSite(kind)
            sites[site] = Hospital(site, engine, one.keys, one.randomness, protection=one.protection)
            sites[site].rows = opened[number]
        return Coordinated(sites, procedure=procedure, task=procedure.document, **more)


def slopes(result: Any) -> dict[str, float]:
    """The coefficients of a model, by their names."""
    return {term["name"]: float(term["coefficient"]) for term in result.content["terms"]}
