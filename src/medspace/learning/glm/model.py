"""What a GLM run keeps between its rounds, and its result."""

from dataclasses import dataclass
from enum import StrEnum

from medspace.core.engine import Unit
from medspace.learning.evaluation.model import Judgement
from medspace.learning.glm.design import Layout
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.intervals import SiteIntervals
from medspace.learning.glm.task import Family, Mechanism
from medspace.learning.mitigation.model import Mitigated
from medspace.runs.masked.grouping import Robust


class FitPhase(StrEnum):
    """What the next round asks; DONE asks nothing."""

    MOMENTS = "moments"
    MITIGATION = "mitigation"
    NEWTON = "newton"
    THRESHOLDS = "thresholds"
    EVALUATION = "evaluation"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class OwnGroup:
    """How well the model does at one site for one group that the task's `judge` names."""

    column: str
    group: str
    quality: Quality
    intervals: SiteIntervals | None = None  # in models of earlier versions there are none


@dataclass(frozen=True, slots=True)
class SiteQuality:
    """How well the model does at one site; `quality` is None if the site left before it was measured."""

    site: str
    rows: int  # of the fit
    quality: Quality | None
    persons: int = 0  # 0 in models of versions that did not count them
    joined: tuple[int, ...] = ()  # per feature: levels that were not counted at the site
    groups: tuple[OwnGroup, ...] = ()
    intervals: SiteIntervals | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """The state of the fit: everything that the next round needs, to the last bit.

    `base` is the last beta that was an improvement and `objective` its value; `beta` is the one to ask about next;
    `covariance` (row by row, on the scale of the fit) are there once it has converged; `products` are the mean
    products of the scaled columns (`maths.products`), there from the second Newton round on.
    """

    phase: FitPhase = FitPhase.MOMENTS
    layout: Layout | None = None
    beta: tuple[float, ...] = ()
    base: tuple[float, ...] = ()
    objective: float | None = None
    covariance: tuple[tuple[float, ...], ...] = ()
    products: tuple[tuple[float, ...], ...] = ()
    deviance: float | None = None
    sites: tuple[SiteQuality, ...] = ()
    pooled: Quality | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One coefficient, for the column as it was measured; numbers are exact text.

    `fill` is what a missing value of the column is replaced with (None for the intercept and for indicators);
    `mean` and `scale` are those of the fit. A column that varies nowhere has the coefficient 0 and no standard error;
    an uncarried level has no term.
    """

    name: str
    coefficient: str
    standard_error: str | None
    fill: str | None
    mean: str
    scale: str


@dataclass(frozen=True, slots=True)
class Joined:
    """How many levels of a feature were not counted at a site: too few persons have them there, or nobody.

    Who has one of them counts there as joined, in the term of that name (docs/training.md).
    """

    site: str
    feature: str
    levels: int


@dataclass(frozen=True, slots=True)
class NoiseSpent:
    """What a fit with noise has cost each holder: `epsilon` at `delta`, and `rho` of zCDP; exact text.

    `robust`: into how many groups the sites were divided, and how many of these were left out of each number.
    """

    epsilon: str
    delta: str
    unit: Unit
    rho: str
    mechanism: Mechanism = "gradient"  # the default: earlier versions had no other
    robust: Robust | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a model of this kind holds; `runs.model.Model.result` is its JSON.

    `uncarried` are the columns of levels that were not counted at any site: the model says nothing about them.
    `judged` is how good the model is for whom, `mitigated` what was done for groups, where the task asked for it.
    """

    family: Family
    terms: tuple[Term, ...]
    deviance: str
    sites: tuple[SiteQuality, ...]
    pooled: Quality | None  # None: not measured, as in a fit with noise
    measured_on: str  # "training rows" or "held-out rows"
    persons: int = 0
    joined: tuple[Joined, ...] = ()
    uncarried: tuple[str, ...] = ()
    noise: NoiseSpent | None = None
    judged: Judgement | None = None
    mitigated: Mitigated | None = None
