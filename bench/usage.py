"""One step of a use over HTTP, from the coordinator's call to its answer: admitted by all conditions, released.

The engine tells how many rows there are, so what is measured is usage control and the way to it. The holder is a
process of its own; each step is a new question, since one that was answered before costs less.
"""

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.negotiation import TRIAL, _begin, _finalized, _free_ports, _member, _ready, _started
from medspace.app.compose.connector import ENGINES, Connector, ConnectorParts, open_connector
from medspace.app.compose.serve import serve
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import Config, read_config
from medspace.connector.catalogue.finding import listed
from medspace.connector.usage.brakes import MOST_ROUNDS
from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits, Workplace
from medspace.core.material import Form
from medspace.core.usage import Admission, Output, Step
from tests.runs import manifest_of, signed

KIND, TASK, STEP = "medspace:train", "headcount", "count"
USES = int(os.environ.get("USAGE_USES", "8"))  # of MOST_ROUNDS steps each; the first one warms up
QUESTION: JsonObject = {"task": TASK, "purpose": "ehds:HealthcareScientificResearch", "min_sites": 1}


@dataclass(frozen=True)
class Headcount:
    """How many rows there are (`core.engine.Engine`)."""

    kind: str = KIND
    task: str = TASK
    outputs: tuple[OutputForm, ...] = (OutputForm("headcount.count"),)
    steps: tuple[str, ...] = (STEP,)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task: JsonObject) -> str:  # noqa: ARG002 - the same for every task
        """Each site's count is seen by whoever asks."""
        return COORDINATOR_SEES_SUMS

    def check(self, task: JsonObject) -> None:
        """Any task will do."""

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:  # noqa: ARG002
        """The count."""
        assert workplace.material is not None
        return Output("headcount.count", {"rows": workplace.material.count}, workplace.material.count)


def measure() -> dict[str, dict[str, Any]]:
    """The median, and what 95 of 100 steps keep to."""
    taken = steps()
    return {
        "usage.step_ms": {"value": statistics.median(taken) * 1000, "unit": "ms", "reference": "", "target": "<= 6"},
        "usage.step_p95_ms": {"value": statistics.quantiles(taken, n=20)[-1] * 1000, "unit": "ms", "reference": ""},
    }


def steps() -> list[float]:
    """Seconds of each step."""
    with tempfile.TemporaryDirectory() as folder:
        holder, user = _configs(Path(folder))
        with _started([sys.executable, "-m", "bench.usage", str(holder)]):
            return asyncio.run(_steps(holder, user))


def _configs(folder: Path) -> tuple[Path, Path]:
    """A holder, who is the authority too, whose table answers as many questions as are asked; and a user."""
    table = folder / "heart.csv"
    table.write_text(
        "age,disease\n" + "".join(f"{40 + row % 40},{row % 2}\n" for row in range(600)), encoding="utf-8"
    )
    wishes = Wishes("Holder", _free_ports(), region="DE", offer=table, questions=1_000_000, **TRIAL)
    holder = set_up(folder / "holder", wishes)
    user = set_up(folder / "user", Wishes("User", _free_ports(), holder["did"], holder["public_key"], "DE"))
    _without_masks(Path(holder["config"]))  # which need four hospitals; one step of one is measured
    return Path(holder["config"]), Path(user["config"])


def _without_masks(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    terms = "[assets.offers.terms]\n"
    assert terms in text
    config.write_text(text.replace(terms, f'{terms}protection = "{COORDINATOR_SEES_SUMS}"\n'), encoding="utf-8")


async def _steps(holder: Path, user: Path) -> list[float]:
    async with _member(holder, user) as connector:
        config = read_config(holder)
        agreement = await _agreed(connector, config)
        taken = [await _use(connector, agreement, config.did) for _ in range(USES + 1)]
        return [seconds for use in taken[1:] for seconds in use]


async def _agreed(user: Connector, holder: Config) -> str:
    offer = listed(holder.did, await user.of("terms").finder.dataset(holder.did, "heart"))["offers"][0]
    begun = await _begin(user, holder, offer)
    await _finalized(user, holder, begun.id)
    agreement = (await user.of("terms").negotiation(begun.id)).agreement
    assert agreement is not None
    return str(agreement["@id"])


async def _use(user: Connector, agreement: str, holder: str) -> list[float]:
    """Seconds of each step of one use."""
    sites = user.of("training").coordinator.sites
    run = uuid.uuid4().urn
    use = await sites.begin(run, agreement, KIND)
    manifest = manifest_of(user.node.config.did, QUESTION, {holder: agreement}, run=run)
    await sites.seat(use, signed(manifest, user.node.signing))
    taken = []
    for number in range(1, MOST_ROUNDS + 1):
        step = Step(QUESTION, number, STEP, {"nonce": uuid.uuid4().hex})
        started = perf_counter()
        answer = await sites.ask(use, step)
        taken.append(perf_counter() - started)
        assert answer.values == {"rows": 600}
    await sites.end(use)
    return taken


async def _serve(config: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    parts = ConnectorParts(engines={**ENGINES, (KIND, TASK): Headcount})
    connector = await open_connector(read_config(config), parts, lambda _: None)
    await serve(connector, stop, _ready)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    asyncio.run(_serve(Path(sys.argv[1])))
