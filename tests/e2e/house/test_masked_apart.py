"""Masks made in processes of their own: what goes to peers is sealed by the connector, which has the keys."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from medspace.adapters.runner import line
from medspace.app.compose.connector import ALGORITHMS, ENGINES, ConnectorParts
from medspace.core.engine import StepLimits
from tests.e2e.house.masked import MASKED, TRAIN, MaskedAlgorithm, MaskedEngine
from tests.e2e.house.test_masked_sum import HOSPITALS, SUM_OF_AGES, ages, audited
from tests.e2e.space import hospital, staged


@dataclass(frozen=True)
class MaskedApart(MaskedEngine):
    """The same engine, in a process for each step; it notes which, in the file that the task names."""

    limits: StepLimits = field(default_factory=lambda: StepLimits(runner="process"))

    def answer(self, admission, step, workplace):
        with Path(step.task["note"]).open("a") as note:
            note.write(f"{os.getpid()} {type(workplace.keys).__name__}\n")
        return super().answer(admission, step, workplace)


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("apart")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            stage.add(
                key,
                hospital(seed, min_sites=3),
                parts=ConnectorParts(engines={**ENGINES, (TRAIN, MASKED): MaskedApart}),
            )
        stage.add("user", parts=ConnectorParts(algorithms=(*ALGORITHMS, MaskedAlgorithm)))
        stage.open()
        stage.admit()
        yield stage


def test_engines_in_processes_seal_and_open_for_their_peers(stage, tmp_path):
    agreements = [stage.agree("user", key) for key in HOSPITALS]
    note = tmp_path / "note"
    run = stage.space("user").train(SUM_OF_AGES | {"note": str(note)}, agreements, wait=120)
    assert run["state"] == "finished", run
    assert run["model"]["result"] == {"sum": sum(ages(seed) for seed in range(1, 4))}
    worked = [one.split() for one in note.read_text().splitlines()]
    assert len(worked) == 2 * len(HOSPITALS)
    assert len({number for number, _ in worked} | {str(os.getpid())}) == len(worked) + 1
    assert {keys for _, keys in worked} == {line.LinePeers.__name__}
    assert audited(stage, tmp_path)["outcome"] == "verified"
    for key in HOSPITALS:
        assert list((stage.nodes[key].folder / "steps").iterdir()) == []
