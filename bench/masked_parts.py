"""What masks add to a round over large vectors: a million numbers, ten sites, over HTTP, beside the same unmasked.

All connectors are in this process, so its processor time is that of all parties; bytes are counted at the sites'
public listeners, both ways. A round is what runs of more rounds take longer than those of one: local work, vectors to
the coordinator, the sum back; under masks also agreeing and opening.
"""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medspace.app.compose.connector import ALGORITHMS, ENGINES, ConnectorParts
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_WEIGHTS
from tests.e2e.house.big_vector import AVERAGING, TRAIN, AveragingAlgorithm, AveragingEngine
from tests.e2e.space import PURPOSE, Stage, hospital, staged

SITES, PARAMETERS = 10, 1_000_000
PROTECTIONS = (MASKED_WEIGHTS, COORDINATOR_SEES_SUMS)
FEW, MANY, TIMES = 1, 4, 3  # rounds of a run; runs of each kind

Message = MutableMapping[str, Any]
Receive, Send = Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass
class Counted:
    """Bytes that go through applications (ASGI)."""

    bytes: int = 0

    def __call__(self, app: App) -> App:
        """An application whose bytes are counted."""

        async def counting(scope: Message, receive: Receive, send: Send) -> None:
            async def received() -> Message:
                return self.noted(await receive())

            async def sent(message: Message) -> None:
                await send(self.noted(message))

            await app(scope, received, sent)

        return counting

    def noted(self, message: Message) -> Message:
        """A message, counted."""
        self.bytes += len(message.get("body", b""))
        return message


def measure() -> dict[str, dict[str, Any]]:
    """Ratios: masked over plain."""
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        counted = Counted()
        agreements = _agreed(stage, counted)
        rounds: dict[str, list[tuple[float, float]]] = {protection: [] for protection in PROTECTIONS}
        for protection in rounds:
            run(stage, counted, agreements[protection], protection, FEW)  # warms up
        for _ in range(TIMES):
            for protection, found in rounds.items():
                found.append(a_round(stage, counted, agreements[protection], protection))
    return _measures(rounds[MASKED_WEIGHTS], rounds[COORDINATOR_SEES_SUMS])


def _measures(masked: list[tuple[float, float]], plain: list[tuple[float, float]]) -> dict[str, dict[str, Any]]:
    times = [statistics.median(seconds for seconds, _ in found) for found in (masked, plain)]
    sizes = [statistics.median(size for _, size in found) for found in (masked, plain)]
    what = f"a round of {SITES} sites: {times[0]:.2f} s of CPU masked, {times[1]:.2f} s in plain sight"
    sent = f"{sizes[0] / 1e6:.1f} MB masked, {sizes[1] / 1e6:.1f} MB in plain sight"
    return {
        "masked.overhead_time": {"value": times[0] / times[1], "unit": "x", "reference": what, "target": "<= 1.3"},
        "masked.overhead_bytes": {"value": sizes[0] / sizes[1], "unit": "x", "reference": sent, "target": "<= 1.2"},
    }


def a_round(stage: Stage, counted: Counted, agreements: list[str], protection: str) -> tuple[float, float]:
    """Seconds of CPU and bytes of one round."""
    few = run(stage, counted, agreements, protection, FEW)
    many = run(stage, counted, agreements, protection, MANY)
    return (many[0] - few[0]) / (MANY - FEW), (many[1] - few[1]) / (MANY - FEW)


def run(stage: Stage, counted: Counted, agreements: list[str], protection: str, rounds: int) -> tuple[float, float]:
    """Those of a whole run."""
    task = {
        "task": AVERAGING,
        "count": PARAMETERS,
        "clip": "0.5",
        "rounds": rounds,
        "purpose": PURPOSE,
        "min_sites": 3,
        "protection": protection,
    }
    began, before = time.process_time(), counted.bytes
    done = stage.space("user").train(task, agreements, wait=600)
    assert done["state"] == "finished", done
    return time.process_time() - began, counted.bytes - before


def _agreed(stage: Stage, counted: Counted) -> dict[str, list[str]]:
    """Agreements with ten sites under each protection."""
    stage.add("authority")
    made = ConnectorParts(engines={**ENGINES, (TRAIN, AVERAGING): AveragingEngine})
    sites = {protection: [f"{protection[0]}{number:02d}" for number in range(SITES)] for protection in PROTECTIONS}
    for protection, keys in sites.items():
        for seed, key in enumerate(keys, 1):
            holding = replace(hospital(seed, protection=protection, min_sites=3), numbers=10**12)
            stage.add(key, holding, parts=made, wrap=counted)
    stage.add("user", parts=ConnectorParts(algorithms=(*ALGORITHMS, AveragingAlgorithm)))
    stage.open()
    stage.admit()
    return {protection: [stage.agree("user", key) for key in keys] for protection, keys in sites.items()}
