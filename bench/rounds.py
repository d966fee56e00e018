"""What masks, checks and seals add to a round of a GLM, for one site; whether all processors come to one model."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from medspace.adapters.memory import SeededRandomness
from medspace.core.engine import MASKED_SUMS, Workplace
from medspace.core.usage import Output, Step
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.service import GlmAlgorithm
from tests.unit.learning.simulated import TableSource, dictionary_of
from tests.unit.runs.masked.around import ADMISSION, CLOCK, Coordinated, Seated, seated

FEATURES, ROWS = 30, 400
COUNTED = ("contribute", "agree", "open", "propose")
CORES = ("Haswell", "Sandybridge", "Prescott")


def task() -> dict[str, Any]:
    """A logistic model of thirty numbers."""
    return {
        "task": "glm",
        "family": "binomial",
        "target": "sick > 0",
        "purpose": "p",
        "missing": "drop",
        "protection": MASKED_SUMS,
        "min_sites": 3,
        "features": [{"name": f"x{number}"} for number in range(FEATURES)],
        "evaluation": {"thresholds": 2},
    }


def tables(sites: int) -> list[dict[str, Any]]:
    """Rows of each site, drawn alike."""
    chance = np.random.default_rng(1)
    made = []
    for _ in range(sites):
        values = chance.normal(size=(ROWS, FEATURES)).round(3)
        sick = (chance.random(ROWS) < 1 / (1 + np.exp(-values[:, :3].sum(axis=1) / 2))).astype(float)
        columns = {f"x{number}": values[:, number].tolist() for number in range(FEATURES)}
        made.append({**columns, "sick": sick.tolist()})
    return made


@dataclass
class Timed(Seated):
    """A site whose processor time is kept, by step."""

    source: Any = None
    times: dict[str, list[float]] = field(default_factory=dict)

    def answer(self, step: Step) -> Output:
        """Do a step."""
        admission = replace(ADMISSION, holder=self.did, asset=self.did)
        began = time.process_time()
        rows = self.source.open(admission) if step.name == "contribute" else None
        workplace = Workplace(rows, self.randomness, CLOCK, self.memory, self.keys)
        output = self.engine.answer(admission, step, workplace)
        self.times.setdefault(step.name, []).append(time.process_time() - began)
        return output


def led(count: int) -> tuple[list[Timed], Coordinated]:
    """A whole fit over so many sites."""
    given = tables(count)
    described = dictionary_of(*given)
    procedure = GlmAlgorithm().prepare(task())
    sites = {
        site: Timed(site, GlmEngine(), one.keys, one.randomness, source=TableSource(given[number], described))
        for number, (site, one) in enumerate(seated([0] * count).items())
    }
    table = Coordinated(sites, procedure=procedure, task=procedure.document)
    table.to_the_end()
    return list(sites.values()), table


def plain(site: Timed) -> float:
    """Seconds that the same questions take without masks, each, in the middle."""
    engine = GlmEngine()
    document = {
        name: value for name, value in GlmAlgorithm().prepare(task()).document.items() if name != "protection"
    }
    taken = []
    for step, output in site.said:
        if step.name != "contribute" or output.worded is None or output.worded.name != "newton":
            continue
        admission = replace(ADMISSION, holder=site.did, asset=site.did)
        asked = Step(document, output.worded.round, "newton", output.worded.inputs)
        began = time.process_time()
        workplace = Workplace(site.source.open(admission), SeededRandomness(1), CLOCK)
        engine.answer(admission, asked, workplace)
        taken.append(time.process_time() - began)
    return sorted(taken)[len(taken) // 2]


def added(count: int) -> tuple[float, str]:
    """Milliseconds that a round takes more than without masks, per site: all steps of a Newton question."""
    sites, _ = led(count)
    per_site = []
    for site in sites:
        newton = [i for i, (step, out) in enumerate(_contributed(site)) if out.worded.name == "newton"][1:]
        per_site += [sum(site.times[name][i] for name in COUNTED[:3]) for i in newton]
    proposals = [taken for site in sites for taken in site.times.get("propose", ())]
    middle = sorted(per_site)[len(per_site) // 2] + sum(proposals) / len(proposals) / count
    bare = plain(sites[0])
    return 1e3 * (middle - bare), f"the same question unprotected takes {1e3 * bare:.1f} ms"


def _contributed(site: Timed) -> list[Any]:
    return [(step, output) for step, output in site.said if step.name == "contribute"]


def outcome_digest() -> str:
    """The digest of the model of four sites, on this processor."""
    _, table = led(4)
    return str(table.procedure.result(table.state).content["opened"]["digest"])


def one_model() -> float:
    """1 if sites on processors of other kinds come to one model."""
    found = set()
    for core, off in ((CORES[0], ""), (CORES[1], "AVX2 FMA3"), (CORES[2], "AVX512F AVX2 FMA3")):
        environment = os.environ | {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": off}
        command = [sys.executable, "-c", "from bench.rounds import outcome_digest; print(outcome_digest())"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout.split()[-1])
    return float(len(found) == 1)


def measure() -> dict[str, dict[str, Any]]:
    """Milliseconds of the processor's time."""
    four, ten = added(4), added(10)
    return {
        "masked.round_ms.4": {"value": four[0], "unit": "ms", "reference": four[1], "target": "<= 15"},
        "masked.round_ms.10": {"value": ten[0], "unit": "ms", "reference": ten[1], "target": "<= 20"},
        "masked.cross_cpu": {
            "value": one_model(),
            "unit": "",
            "reference": "three kinds of processor",
            "target": "1",
        },
    }
