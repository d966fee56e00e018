"""What masks, checks and seals add to a round of a GLM, for one site; whether all processors come to one model."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from bench._site import Said
from medspace.core.dictionary import Dictionary
from medspace.core.engine import MASKED_SUMS, Workplace
from medspace.core.hashing import digest
from medspace.core.material import Material
from medspace.core.usage import Output, Step
from medspace.learning.glm.design import marks_of
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.errors import RunError
from medspace.runs.masked.messages import AGREE, CONTRIBUTE, OPEN, PROPOSE
from tests.masked import ADMISSION, CLOCK, Coordinated, Seated, names, seated
from tests.unit.learning.simulated import TableSource, dictionary_of

FEATURES, ROWS = 30, 400
COUNTED = (CONTRIBUTE, AGREE, OPEN)
CPUS = (("", ""), ("Haswell", "AVX512F"), ("Sandybridge", "AVX2 FMA3 AVX512F"), ("Prescott", "AVX2 FMA3 AVX512F"))


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


PROCEDURE = GlmAlgorithm().prepare(task())
PLAIN = {name: value for name, value in PROCEDURE.document.items() if name != "protection"}


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
    """A site whose processor time is kept: of each step, and of each question as it is answered without masks."""

    rows: Material | None = None  # open since the start, its marks known, as a connector has them
    plain: GlmEngine = field(default_factory=GlmEngine)
    times: dict[str, list[float]] = field(default_factory=dict)
    bare: list[float] = field(default_factory=list)

    def answer(self, step: Step) -> Output:
        """Do a step, and ask what it asks of the rows without masks, right after it."""
        admission = replace(ADMISSION, holder=self.did, asset=self.did)
        rows = self.rows if step.name == "contribute" else None
        began = time.process_time()
        workplace = Workplace(rows, self.randomness, CLOCK, self.memory, self.keys)
        output = self.engine.answer(admission, step, workplace)
        self.times.setdefault(step.name, []).append(time.process_time() - began)
        if output.worded is not None and output.worded.name == "newton":
            asked = replace(output.worded, task=PLAIN)
            began = time.process_time()
            self.plain.answer(admission, asked, Workplace(rows, self.randomness, CLOCK))
            self.bare.append(time.process_time() - began)
        return output


def sites_of(count: int) -> dict[str, Timed]:
    """So many sites, each with a table of its own."""
    given = tables(count)
    described = dictionary_of(*given)
    return {
        site: Timed(site, GlmEngine(), one.keys, one.randomness, rows=_opened(site, given[number], described))
        for number, (site, one) in enumerate(seated([0] * count).items())
    }


def led(count: int) -> list[Timed]:
    """A whole fit over so many sites."""
    sites = sites_of(count)
    Coordinated(sites, procedure=PROCEDURE, task=PROCEDURE.document).to_the_end()
    return list(sites.values())


def _opened(site: str, table: dict[str, Any], described: Dictionary) -> Material:
    admission = replace(ADMISSION, holder=site, asset=site)
    rows = TableSource(table, described).open(admission)
    marks_of(rows, admission.seed)
    return rows


def added(count: int) -> tuple[float, str]:
    """Milliseconds that a round takes more than without masks, per site: all steps of a Newton question."""
    sites = led(count)
    per_site = []
    for site in sites:
        newton = [i for i, output in enumerate(_contributed(site)) if output.worded.name == "newton"][1:]
        per_site += [sum(site.times[name][i] for name in COUNTED) for i in newton]
    proposals = [taken for site in sites for taken in site.times.get(PROPOSE, ())]
    masked = statistics.median(per_site) + statistics.median(proposals) / count
    bare = statistics.median(taken for site in sites for taken in site.bare[1:])
    return 1e3 * (masked - bare), f"the same question unprotected takes {1e3 * bare:.1f} ms"


def _contributed(site: Timed) -> list[Any]:
    return [output for step, output in site.said if step.name == CONTRIBUTE]


@dataclass
class Apart:
    """A site in a process of its own, on the processor that its environment pretends."""

    process: "subprocess.Popen[bytes]"
    free: str = ""

    @classmethod
    def start(cls, number: int) -> "Apart":
        """The site of that number."""
        core, off = CPUS[number]
        environment = os.environ | {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": off}
        command = [sys.executable, "-W", "ignore", "-m", "bench._site", str(len(CPUS)), str(number)]
        return cls(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def do(self, step: Step) -> Output:
        """Do a step there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(step) + b"\n")
        self.process.stdin.flush()
        said = msgspec.json.decode(self.process.stdout.readline(), type=Said)
        self.free = said.free
        return said.output


def one_model() -> tuple[float, str]:
    """1 if a run whose sites have processors of other kinds ends with one digest of one model; and what differs."""
    sites: dict[str, Any] = {site: Apart.start(number) for number, site in enumerate(names(len(CPUS)))}
    table = Coordinated(sites, procedure=PROCEDURE, task=PROCEDURE.document)
    try:
        opened = table.to_the_end().content["opened"]
        one = len(opened["signed"]) == len(CPUS) and digest(opened["outcome"]) == opened["digest"]
    except RunError:  # among others where the sites do not say the same
        one = False
    finally:
        for site in sites.values():
            site.process.communicate()
    kinds = len({site.free for site in sites.values()})
    return float(one), f"four sites on processors of {kinds} kinds, by what numpy finds there"


def measure() -> dict[str, dict[str, Any]]:
    """Milliseconds of the processor's time."""
    four, ten, (one, kinds) = added(4), added(10), one_model()
    return {
        "masked.round_ms.4": {"value": four[0], "unit": "ms", "reference": four[1], "target": "<= 15"},
        "masked.round_ms.10": {"value": ten[0], "unit": "ms", "reference": ten[1], "target": "<= 20"},
        "masked.cross_cpu": {
            "value": one,
            "unit": "",
            "reference": kinds,
            "target": "1",
        },
    }
