"""Training by turns: a round is one hospital's, its update is shown, and none answers whose terms do not say so."""

import msgspec
import numpy as np
import pytest

from medspace.core.usage import Brakes
from medspace.learning.net.description import describe
from medspace.learning.net.errors import UpdateHiddenError
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.model import NetFitted
from medspace.learning.net.task import parse
from medspace.policy.outputs import UPDATE, WORDS
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.masked.ports import Revealing
from tests.admissions import admission
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.nets import made, task
from tests.unit.learning.survivals import split

WIDE = ("x0", "x1", "x2")
EXACT = Brakes(rounding=False)


class CyclicRun(MaskedRun):
    """Sites that are holders of their own, whose terms list what `listed` says."""

    listed = frozenset({UPDATE})

    def admitted(self, site):
        return admission(
            asset=site,
            holder=site,
            min_cohort=self.least,
            brakes=self.brakes,
            history=self.history,
            listed=self.listed,
        )


def cyclic(tables, **changes):
    return task(WIDE, strategy="cyclic", cycle=list(tables), **changes)


def run_of(document, tables, **more):
    return CyclicRun(document, tables, tasks=MaskedNets(), **more)


def by_turns(tables, first, rate, rounds):
    """Gradient descent on the rows of one site after the other, scaled as all sites together scale them."""
    columns = {site: np.column_stack([table[name] for name in WIDE]) for site, table in tables.items()}
    every = np.concatenate(list(columns.values()))
    centre, scale = every.mean(axis=0), every.std(axis=0)
    found = first
    for number in range(rounds):
        site = list(tables)[number % len(tables)]
        rows = np.column_stack([(columns[site] - centre) / scale, np.ones(len(columns[site]))])
        chances = 1.0 / (1.0 + np.exp(-rows @ found))
        found = found - rate * rows.T @ (chances - np.array(tables[site]["sick"])) / len(rows)
    return found


def test_the_weights_are_those_of_descent_on_one_hospital_after_the_other():
    tables = split(made(400, 1), 3)
    run = run_of(cyclic(tables, rate=0.5, batch=0, clip=100.0, max_rounds=9), tables, brakes=EXACT)
    first = np.array(run.step(again(run.summed.first()))["weights"], dtype=float)
    fitted = msgspec.convert(run_of(run.document, tables, brakes=EXACT).fitted().content, NetFitted)
    found = np.array([float(weight) for weight in fitted.weights])
    assert found == pytest.approx(by_turns(tables, first, 0.5, 7), abs=1e-9)
    assert fitted.cycle == tuple(tables)


def test_a_total_shows_the_update_of_the_hospital_whose_turn_it_is():
    tables = split(made(400, 1), 3)
    run = run_of(cyclic(tables), tables)
    stand = run.step(again(run.summed.first()))
    for number, site in enumerate(["did:web:site0", "did:web:site1", "did:web:site2", "did:web:site0"]):
        own = {one: run.sums(one, stand, number + 2)[4:] for one in tables}
        assert [one for one, numbers in own.items() if any(numbers)] == [site]
        assert run.total(stand, number + 2)[4:] == own[site]
        stand = run.step(stand)


def test_the_log_of_a_hospital_says_when_its_update_is_shown():
    tables = split(made(400, 1), 3)
    run = run_of(cyclic(tables), tables)
    summing, asked = run.tasks.summing, run.travelled(run.step(again(run.summed.first())))
    assert isinstance(summing, Revealing)
    said = [summing.shown(run.admitted("did:web:site1"), run.document, asked, number) for number in range(2, 6)]
    assert said == [None, UPDATE, None, None]
    moments = run.travelled(again(run.summed.first()))
    assert summing.shown(run.admitted("did:web:site1"), run.document, moments, 3) is None
    assert summing.shown(run.admitted("did:web:site1"), task(WIDE), asked, 3) is None


@pytest.mark.parametrize("listed", [frozenset(), frozenset({"net.model", "net.quality"})])
def test_a_hospital_whose_terms_do_not_say_so_answers_nothing(listed):
    tables = split(made(400, 1), 3)
    run = run_of(cyclic(tables), tables)
    run.listed = listed
    with pytest.raises(UpdateHiddenError, match=UPDATE):
        run.step(again(run.summed.first()))
    plain = run_of(task(WIDE), tables)
    plain.listed = listed
    assert plain.step(again(plain.summed.first()))


def test_an_update_beyond_the_norm_bound_is_refused():
    tables = split(made(400, 1), 3)
    run = run_of(cyclic(tables, clip=0.01), tables)
    stand = run.step(again(run.summed.first()))
    total = run.total(stand, 2)
    run.summed.check(stand, total, 3)
    with pytest.raises(TotalInvalidError):
        run.summed.check(stand, [*total[:4], *(2 * value for value in total[4:])], 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "cyclic"},
        {"strategy": "cyclic", "cycle": ["did:web:a", "did:web:a"]},
        {"strategy": "fedavg", "cycle": ["did:web:a"]},
    ],
)
def test_a_cycle_belongs_to_its_strategy(changes):
    with pytest.raises(TaskInvalidError, match="cycle"):
        parse(task(WIDE, **changes))


def test_the_model_says_that_updates_were_shown():
    tables = split(made(400, 1), 3)
    result = run_of(cyclic(tables, max_rounds=4), tables).fitted()
    shown = describe(result, {"did:web:site1": "North"})
    assert any("did:web:site0, North, did:web:site2" in str(one) for one in shown.sentences)
    assert shown.facts["cycle"] == list(tables)
    assert UPDATE in WORDS
    document = parse(cyclic(tables)).document()
    assert parse(document).document() == document
