"""A model whose sites say nothing of themselves is shown, scored and read all the same."""

from dataclasses import replace

import numpy as np

from medspace.app.doors.cli.screen import Screen
from medspace.app.features.training import views
from medspace.app.features.training.verbs import show_run
from medspace.core.engine import MASKED_SUMS
from medspace.learning.glm.outcome import read
from medspace.learning.using.glm import score
from tests.unit.learning.masked_sites import MaskedRun
from tests.unit.learning.simulated import SimulatedSites, TableRows, coordinator, fitted, split


def tables():
    source = np.random.default_rng(2)
    x = source.normal(size=400)
    y = (source.random(400) < 1.0 / (1.0 + np.exp(-x))).astype(float)
    return split({"x": x, "y": y}, [row % 4 for row in range(400)])


TASK = {"family": "binomial", "target": "y", "features": [{"name": "x"}], "purpose": "p"}


DESCRIBE = coordinator(SimulatedSites({})).describe


async def masked_model(told=()):
    """The record of a run whose sums were seen, with what the same run under masks comes to."""
    run = MaskedRun(TASK | {"protection": MASKED_SUMS}, tables(), least=10)
    outcome, own = run.outcome(), {}
    for site in told:
        asked = run.summed.asked(run.states[-2])
        own[site], _ = run.tasks.summing.own_quality(run.admitted(site), run.document, asked, run.material(site), 9)
    result = run.summed.result(outcome, tuple(run.tables), own)
    seen = await fitted(TASK, tables(), least=10)
    return replace(
        seen,
        task=run.summed.task.document(),
        result=result.content,
        rows=result.rows,
        lineage=replace(seen.lineage, protection=MASKED_SUMS),
    )


async def test_it_is_shown_without_rows_of_single_sites(capsys):
    model = await masked_model()
    shown = views.model(model, DESCRIBE, {}, str)
    assert shown["quality"]["sites"] == []
    assert shown["quality"]["pooled"]["rows"] == 400
    assert [site["status"] for site in shown["sites"]] == ["took_part"] * 4
    assert shown["persons"] == 400
    assert "sites" not in shown["quality"]["pooled"]
    run = {"model": shown, "rounds": 7, "seconds": 1.0, "sites": shown["sites"]}
    show_run(Screen(as_json=False, language="en"), run)
    table = capsys.readouterr().out
    assert "all together" in table
    assert "did:web" not in table.split("all together")[0]


async def test_a_site_that_told_its_own_quality_has_its_line(capsys):
    site = sorted(tables())[2]
    shown = views.model(await masked_model([site]), DESCRIBE, {site: "Third"}, str)
    assert [(one["name"], one["rows"]) for one in shown["quality"]["sites"]] == [("Third", 100)]
    run = {"model": shown, "rounds": 7, "seconds": 1.0, "sites": shown["sites"]}
    show_run(Screen(as_json=False, language="en"), run)
    assert "Third" in capsys.readouterr().out


async def test_it_scores_rows():
    model = await masked_model()
    columns = tables()[min(tables())]
    said = score(model, TableRows(columns, 100))
    assert ((said > 0.0) & (said < 1.0)).all()
    seen = await fitted(TASK, tables(), least=10)
    np.testing.assert_allclose(said, score(seen, TableRows(columns, 100)), atol=1e-5)
    assert read(model).joined == ()
