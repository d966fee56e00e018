"""What protection costs a training on images: the pilot's, with every protection and with none, in the same run.

Five hospitals in this process, one after the other, so that both are measured alike: with masks, sealed sums, signed
questions and every brake; and with none of them (`_federation.Openly`), where a hospital only trains, and what is
left of usage control is the contract and the log.
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench._federation import Federation, Hospital, Openly
from medspace.adapters.blobs.memory import MemoryBlobs, MemoryBlobStore
from medspace.adapters.images.source import load
from medspace.app.demo.retina import data, space
from medspace.app.demo.retina.data import GRADES, Photographs
from medspace.app.demo.retina.story import EPOCHS
from medspace.core.dictionary import parse
from medspace.core.engine import MASKED_SUMS
from medspace.core.parts import Keeping
from medspace.core.usage import Brakes, Output, Step
from medspace.learning.net.engine import NetEngine
from medspace.learning.net.service import NetAlgorithm
from medspace.runs.masked.leading import MaskedProcedure
from medspace.runs.ports import Answer, Question
from tests.masked import Coordinated
from tests.shared_data import DATA
from tests.unit.connector.uses import ASSET, KIND, PURPOSE

ROUNDS, TIMES = 3, 3
EVERYBODY = Keeping("everybody", "everything")
MOST = 1 << 28  # bytes of all vectors of a run
ALL, NONE = Brakes(), Brakes(**{one.name: False for one in fields(Brakes)})
TERMS: dict[str, Any] = {
    "count": TIMES + 1,
    "min_cohort": space.MIN_COHORT,
    "min_sites": 3,
    "until": "2030-06-30T00:00:00Z",
    "protection": MASKED_SUMS,
    "outputs": ["net.progress", "net.model"],
}


class OpenNet(Openly, NetEngine):
    """The engine of nets, without masks."""

    result = "net.model"


class Shared(MemoryBlobStore):
    """Parts that everybody can read: nothing is sent here."""

    def of(self, keeping: Keeping) -> MemoryBlobs:
        """All of them."""
        del keeping
        return super().of(EVERYBODY)

    def has(self, keeping: Keeping, digest: str) -> bool:
        """Whether one is there."""
        del keeping
        return super().has(EVERYBODY, digest)


class Carried(Coordinated):
    """A run whose vectors lie beside the messages, where all can read them."""

    def brought(self, site: str, question: Question) -> Step:
        """What a site is asked, with the vectors."""
        return replace(super().brought(site, question), parts=question.parts)

    def answered(self, site: str, output: Output) -> Answer:
        """What it says, with its vector."""
        return replace(super().answered(site, output), parts=output.parts)


class ImageFederation(Federation[Photographs]):
    """The hospitals of the pilot."""

    algorithm = NetAlgorithm

    def __init__(self, held: Mapping[str, Photographs], brakes: Brakes, *, masks: bool = True) -> None:
        self.blobs = Shared(MOST, time.time)
        super().__init__(held, brakes, masks=masks)

    def _run(self, procedure: MaskedProcedure, seats: dict[str, Any]) -> Coordinated:
        return Carried(seats, procedure=procedure.within(self.blobs.of(EVERYBODY)), task=procedure.document)

    def _house(self, name: str, held: Photographs, brakes: Brakes) -> Hospital:
        house = Hospital(limit=space.QUESTIONS, brakes=brakes, hybrid=True, holder=self.did(name), **TERMS)
        file = Path(self.folder) / f"{name}.npz"
        patients = np.array([f"{name}-{number:04}" for number in range(1, held.count + 1)])
        np.savez(file, images=held.images, patient=patients, grade=np.array(GRADES)[held.grades])
        source = load(ASSET, file, parse(space.dictionary(name))).source
        house.numbers, house.blobs = space.NUMBERS, self.blobs
        house.build({(KIND, "net"): NetEngine if self.masks else OpenNet}, {ASSET: source})
        self.wait(house.agree(name=name))
        return house


def measure(whole: str = "") -> dict[str, dict[str, Any]]:
    """Processor time of a run, everything on over everything off, medians; `whole` is said beside it."""
    held = {key: one.train for key, one in data.split(data.retina(DATA), 1).items()}
    task = space.task(1, rounds=ROUNDS, epochs=EPOCHS) | {"purpose": PURPOSE, "protection": MASKED_SUMS}
    protected, plain = ImageFederation(held, ALL), ImageFederation(held, NONE, masks=False)
    try:
        found = [(_seconds(protected, task), _seconds(plain, task)) for _ in range(TIMES + 1)]
    finally:
        protected.close()
        plain.close()
    del found[0]  # the first warmed up
    return {"protection.overhead_time": _measured([one for one, _ in found], [one for _, one in found], whole)}


def _seconds(federation: ImageFederation, task: Mapping[str, Any]) -> float:
    began = time.process_time()
    model = federation.fit(task)
    if model is None:
        raise federation.refusals[-1]
    return time.process_time() - began


def _measured(protected: list[float], plain: list[float], whole: str) -> dict[str, Any]:
    on, off = statistics.median(protected), statistics.median(plain)
    return {
        "value": on / off,
        "unit": "ratio",
        "reference": f"{ROUNDS} rounds of the pilot's training at five hospitals in one process, with masks, seals, "
        f"signatures and every brake {on:.2f} s, with none of them {off:.2f} s{whole}",
        "target": "<= 1.15",
    }
