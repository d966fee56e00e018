"""The conformance cases can fail: each broken connector is found out, by the cases that are there for it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.zygote import Zygote
from tests.protocol.cases import ALL, reactions
from tests.protocol.mutants import MUTANTS
from tests.protocol.process import forked
from tests.protocol.runner import Outcome, run

SHORT = 1.5  # seconds: what a broken connector does not do in this time it never does
KILLERS = sorted({id_ for mutant in MUTANTS.values() for id_ in mutant.killers})


def outcomes_of(zygote: Zygote, name: str, ids: tuple[str, ...] | list[str], wait: float = SHORT) -> list[Outcome]:
    cases = [ALL[id_] for id_ in ids]
    with forked(zygote, reactions(*cases), mutant=name, wait=wait) as target:
        return list(run(cases, target).values())


@pytest.fixture(scope="module")
def zygote():
    with Zygote("tests.protocol.sut:run") as parent:
        yield parent


@pytest.fixture(scope="module")
def by_mutant(zygote) -> dict[str, list[Outcome]]:
    """The outcomes of each mutant's own cases; the mutants run side by side, since they mostly let others wait."""
    with ThreadPoolExecutor(4) as pool:
        runs = {name: pool.submit(outcomes_of, zygote, name, mutant.killers) for name, mutant in MUTANTS.items()}
        return {name: future.result() for name, future in runs.items()}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_connector_is_found_out(by_mutant, name):
    assert [outcome.case.id for outcome in by_mutant[name] if outcome.fault is None] == []


def test_the_same_cases_pass_where_nothing_is_broken(zygote):
    faults = [outcome.fault for outcome in outcomes_of(zygote, "", KILLERS, wait=15)]
    assert list(filter(None, faults)) == []
