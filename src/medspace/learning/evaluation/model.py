"""How good a model is for whom: what is published of the totals."""

from dataclasses import dataclass

EVERYONE = ""  # the column of the cell that has all rows


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval, as if rows were independent of one another."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Rows by outcome and by whether their chance reaches the threshold; all of it, or it is not published.

    Shares with their 95 % intervals; written flat, since what leaves a holder nests eight levels at most.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    sensitivity: float
    sensitivity_low: float
    sensitivity_high: float
    specificity: float
    specificity_low: float
    specificity_high: float

    def share(self, name: str) -> Estimate:
        """The sensitivity or the specificity."""
        return Estimate(*(getattr(self, name + end) for end in ("", "_low", "_high")))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows whose chances lie from `low` up to `high`: the share of cases that was expected, and the observed one."""

    low: float
    high: float
    rows: int
    expected: float
    observed: float
    observed_low: float
    observed_high: float


@dataclass(frozen=True, slots=True)
class GroupQuality:
    """How good the model is for one group; `column` is "" for everyone.

    `sites` is how many hospitals have enough persons of the group to count them. Figures are None where the group has
    too few persons of either outcome to show (`hiding`), or where they are not defined. The exact AUC lies within
    `auc_resolution` of `auc`. `slope` and `intercept` are those of a logistic recalibration on the bins of chances: 1
    and 0 for a model that is calibrated.
    """

    column: str
    group: str
    sites: int
    rows: int
    persons: int
    cases: int | None = None
    auc: Estimate | None = None
    auc_resolution: float | None = None
    average_precision: Estimate | None = None
    brier: Estimate | None = None
    ece: Estimate | None = None
    slope: Estimate | None = None
    intercept: Estimate | None = None
    confusion: tuple[ConfusionMatrix, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest difference between two groups of a column in one measure, with the groups that it lies between.

    `threshold` is that of sensitivity and specificity. The interval is that of these two groups (Newcombe's, by their
    own intervals); it does not know that they were picked from several.
    """

    column: str
    measure: str
    best: str
    worst: str
    gap: Estimate
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class HiddenGroup:
    """A group that nothing is published of: too few persons or hospitals have it, or another would follow from it."""

    column: str
    group: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """How good a model is for everyone (the first of `groups`) and for each group that may be shown."""

    groups: tuple[GroupQuality, ...]
    gaps: tuple[Gap, ...] = ()
    hidden: tuple[HiddenGroup, ...] = ()
    bins: int = 10
