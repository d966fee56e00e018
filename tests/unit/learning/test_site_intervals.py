"""How far the quality at one hospital may be off by chance: what its own rows give, rounded outwards."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.cox.description import describe as describe_cox
from medspace.learning.cox.intervals import concordance_interval, pairs_of_rows
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.maths import Survival, concordance
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.description import OWN_INTERVALS, describe
from medspace.learning.glm.evaluation import Quality, Tally
from medspace.learning.glm.following import read
from medspace.learning.glm.intervals import COARSE, SiteIntervals, intervals
from medspace.learning.glm.judging import PreparedRows
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import parse
from medspace.learning.glm.weighing import weigh
from medspace.learning.net.masked import MaskedNets
from tests.unit.learning import hearts, nets, survivals
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.survivals import split
from tests.unit.learning.test_judging_groups import delong

Z95 = 1.959963984540054


def reports(run):
    """What each hospital says of itself at the end."""
    run.outcome()
    state, found = run.states[-2], {}
    for site in run.tables:
        asking = run.travelled(state), run.material(site), len(run.states) - 1
        found[site] = run.tasks.summing.own_quality(run.admitted(site), run.document, *asking)[0]
    return found


@pytest.fixture(scope="module")
def run():
    judge = {"groups": ["sex"], "least": 5}
    made = MaskedRun(hearts.task(protection="masked-sums", l2=1.0, judge=judge), hearts.hospitals(), least=5)
    made.reports = reports(made)
    return made


def rows_of(run, site):
    """Outcomes and chances of a hospital."""
    task, state = parse(run.document), read(run.states[-1])
    part = PreparedRows(run.admitted(site), run.material(site), Samples()).part(task, measured=True)
    weighed = weigh(task, part, BetaForm(state.asked, state.layout), None)
    return part.target, 1.0 / (1.0 + np.exp(-weighed.eta))


@pytest.mark.parametrize("name", hearts.HOSPITALS)
def test_they_are_those_of_the_rows_rounded_outwards(run, name):
    site = f"did:web:{name}"
    said, (target, chance) = run.reports[site], rows_of(run, site)
    quality, ends = said["quality"], said["intervals"]
    error = delong(target, chance)
    low, high = ends["auc"]
    reach = Z95 * error + quality["auc_resolution"]
    assert low <= quality["auc"] - 0.9 * reach
    assert high >= min(quality["auc"] + 0.9 * reach, 1.0)
    assert high - low <= 2 * reach * 1.3 + 2 / COARSE
    squares = np.square(target - chance)
    error = squares.std() / math.sqrt(len(squares))
    expected = quality["brier"] - Z95 * error, quality["brier"] + Z95 * error
    assert expected[0] - 0.011 <= ends["brier"][0] <= expected[0] + 1e-6
    assert expected[1] - 1e-6 <= ends["brier"][1] <= expected[1] + 0.011
    assert ends["ece"][0] <= quality["ece"] <= ends["ece"][1]
    for pair in ends.values():
        assert pair is None or all(abs(end * COARSE - round(end * COARSE)) < 1e-9 for end in pair)


def test_groups_at_a_hospital_have_wider_ones(run):
    said = run.reports["did:web:cleveland"]
    whole = said["intervals"]["auc"]
    assert {one["group"] for one in said["groups"]} == {"0", "1"}
    for one in said["groups"]:
        low, high = one["intervals"]["auc"]
        assert low <= one["quality"]["auc"] <= high
        assert high - low > whole[1] - whole[0]


def test_they_stand_beside_the_hospital_and_in_its_table(run):
    own = {site: run.reports[site] for site in list(run.tables)[:2]}
    result = run.summed.result(run.summed.outcome(run.states[-1]), tuple(run.tables), own)
    described = describe(result, {})
    first = described.facts["quality"]["sites"][0]
    assert set(first["intervals"]) == {"auc", "brier", "ece"}
    row = [str(cell) for cell in described.quality.rows[0]]
    assert any("[" in cell for cell in row)
    assert not any("[" in str(cell) for cell in described.quality.rows[-1])  # all together: by groups, where asked
    assert OWN_INTERVALS in [one.msgid for one in described.sentences]
    earlier = {site: {k: v for k, v in said.items() if k != "intervals"} for site, said in own.items()}
    older = describe(run.summed.result(run.summed.outcome(run.states[-1]), tuple(run.tables), earlier), {})
    assert "intervals" not in older.facts["quality"]["sites"][0]


def test_a_net_has_them_too():
    made = MaskedRun(nets.task(("x0", "x1")), split(nets.made(600, 1), 3), 5, tasks=MaskedNets())
    for said in reports(made).values():
        low, high = said["intervals"]["auc"]
        assert 0.0 <= low <= said["quality"]["auc"] <= high <= 1.0


def test_a_number_has_one_for_its_error():
    source = np.random.default_rng(3)
    x = source.normal(size=400)
    table = {"x": x.tolist(), "y": (2.0 * x + source.normal(size=400)).tolist()}
    document = {"family": "gaussian", "target": "y", "features": [{"name": "x"}], "purpose": "research"}
    made = MaskedRun(document | {"protection": "masked-sums"}, split(table, 3), 5, tasks=MaskedGlms())
    for said in reports(made).values():
        low, high = said["intervals"]["rmse"]
        assert low <= said["quality"]["rmse"] <= high
        assert said["intervals"]["auc"] is None


@pytest.mark.parametrize("entry", [False, True])
def test_the_concordance_has_the_jackknife_over_its_patients(entry):
    """Each patient left out in turn, with the concordance that is counted anew."""
    table = survivals.made(80, 4, ties=True, entry=entry)
    columns = {name: np.array(table[name]) for name in ("time", "event", "start", "x0")}
    groups = np.unique(np.round(columns["x0"], 1), return_inverse=True)[1]

    def survival(kept):
        start = columns["start"][kept] if entry else None
        return Survival(columns["time"][kept], columns["event"][kept] == 1.0, start)

    every = np.ones(80, dtype=bool)
    pairs, ordered = pairs_of_rows(survival(every), groups)
    counted = concordance(survival(every), groups)
    assert (pairs.sum() / 2, ordered.sum()) == (counted.pairs, counted.ordered)
    left = []
    for at in range(80):
        kept = every.copy()
        kept[at] = False
        own = concordance(survival(kept), np.unique(groups[kept], return_inverse=True)[1])
        left.append(own.ordered / (2 * own.pairs))
    error = math.sqrt(79 / 80 * np.square(np.array(left) - np.mean(left)).sum())
    share = counted.ordered / (2 * counted.pairs)
    low, high = concordance_interval(survival(every), groups)
    assert (low, high) == (
        math.floor((share - Z95 * error) * COARSE) / COARSE,
        min(math.ceil((share + Z95 * error) * COARSE) / COARSE, 1.0),
    )


def test_a_survival_model_has_them_where_its_hospitals_show_theirs():
    made = MaskedRun(survivals.task(("x0", "x1")), split(survivals.made(400, 2), 3), 5, tasks=MaskedCoxes())
    own = reports(made)
    result = made.summed.result(made.summed.outcome(made.states[-1]), tuple(made.tables), own)
    described = describe_cox(result, {})
    for one in described.facts["quality"]["sites"]:
        low, high = one["intervals"]["concordance"]
        assert low < one["concordance"] < high
    assert str(described.quality.rows[0][4]).endswith("]")
    assert OWN_INTERVALS in [one.msgid for one in described.sentences]


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_any_counts_have_ends_in_order(cases, controls):
    rows = sum(cases) + sum(controls)
    if not sum(cases) or not sum(controls):
        return
    total = Tally(
        *(rows, rows, rows / 8.0, 1.0),
        *(tuple(cases), tuple(cases), tuple(controls), tuple(controls)),
        tuple(a + b for a, b in zip(cases, controls, strict=True)),
        tuple(map(float, cases)),
        tuple(map(float, cases)),
    )
    found = intervals(total, Quality(rows, 1.0, 0.3, auc=0.6, auc_resolution=0.01, brier=0.125, ece=0.05), rows / 20)
    for low, high in (found.auc, found.brier, found.ece):
        assert 0.0 <= low <= high <= 1.0
    assert msgspec.convert(msgspec.to_builtins(found), SiteIntervals) == found
