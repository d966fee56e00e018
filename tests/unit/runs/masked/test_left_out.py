"""A site leaves its own quality out of the model that it hands out: nothing that the sites signed changes."""

from dataclasses import replace

import pytest

from medspace.core.engine import Withholding, optional_parts
from medspace.core.usage import Output
from medspace.learning.cox.engine import CoxEngine
from medspace.learning.glm.engine import GlmEngine
from tests.masked import Coordinated, names, seated

QUALITY = "toy.quality"


def table(leaving_out=()):
    """A run whose terms list each site's own quality; the sites that are named leave it out before it leaves."""
    run = Coordinated(seated((11, 22, 33, 44)))
    for seat in run.sites.values():
        seat.listed = frozenset({QUALITY})
    plain = run.answered

    def answered(site, output):
        if site in leaving_out and optional_parts(run.sites[site].engine, output):
            output = run.sites[site].engine.without(output, [QUALITY])
        return plain(site, output)

    run.answered = answered
    return run


def test_the_run_ends_with_the_model_that_all_signed_and_without_that_site_s_own_quality():
    first, *others = names(4)
    whole, less = (table(leaving_out).to_the_end() for leaving_out in ((), (first,)))
    assert set(whole.content["own"]) == {first, *others}
    assert set(less.content["own"]) == set(others)
    assert less.content["about"] == whole.content["about"]
    assert less.content["opened"]["digest"] == whole.content["opened"]["digest"]
    assert set(less.content["opened"]["signed"]) == {first, *others}


@pytest.mark.parametrize("engine", [GlmEngine(), CoxEngine()])
def test_engines_leave_out_a_site_s_own_quality_and_nothing_else(engine):
    assert isinstance(engine, Withholding)
    name = engine.task
    model = Output(f"{name}.model", {"outcome": {"model": {}}, "signed": "x", "own": {"rows": 30}}, 30)
    assert engine.optional(model) == (f"{name}.quality",)
    assert engine.without(model, [f"{name}.quality"]) == replace(model, values={**model.values, "own": {}})
    assert engine.without(model, []) == model
    for other in (replace(model, values={**model.values, "own": {}}), replace(model, kind=f"{name}.progress")):
        assert engine.optional(other) == ()
