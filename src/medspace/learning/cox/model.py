"""What a survival model holds."""

from dataclasses import dataclass
from enum import StrEnum

from medspace.learning.cox.task import Errors, Ties
from medspace.learning.glm.intervals import Ends
from medspace.learning.glm.model import Term


class CoxPhase(StrEnum):
    """What the next round asks; DONE asks nothing."""

    MOMENTS = "moments"
    NEWTON = "newton"
    SCORES = "scores"
    EVALUATION = "evaluation"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SurvivalQuality:
    """How well a model orders some patients by their risk.

    `concordance` is the share of comparable pairs that it puts in order (Harrell 1982), only within hospitals; None
    where there is no pair. `deviance` is minus twice the partial log-likelihood.
    """

    rows: int
    persons: int
    events: int
    deviance: float
    concordance: float | None


@dataclass(frozen=True, slots=True)
class SiteSurvival:
    """The same at one site, if its offer lists that."""

    site: str
    rows: int  # of the fit
    quality: SurvivalQuality
    interval: Ends | None = None  # of the concordance


@dataclass(frozen=True, slots=True)
class CoxFitted:
    """What a model of this kind holds; `runs.model.Model.result` is its JSON.

    The coefficients are logarithms of hazard ratios, for the columns as measured. `deviance` and `null_deviance` (of
    coefficients of 0) are of the rows of the fit. `errors` says which standard errors the terms have; with a `grid`
    (exact text) all hospitals have one baseline, at times that were rounded up to it. `uncarried` as in
    `glm.model.Fitted`.
    """

    terms: tuple[Term, ...]
    ties: Ties
    events: int
    persons: int
    deviance: str
    null_deviance: str
    sites: tuple[SiteSurvival, ...]
    pooled: SurvivalQuality
    measured_on: str  # "training rows" or "held-out rows"
    uncarried: tuple[str, ...] = ()
    errors: Errors = "model"
    grid: tuple[str, ...] = ()
