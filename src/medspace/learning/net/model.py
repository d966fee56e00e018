"""What a neural network holds, and where its training stands."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.learning.evaluation.model import Judgement
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import SingularError
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.mitigating import MitigationStand
from medspace.learning.glm.model import SiteQuality
from medspace.learning.mitigation.model import Mitigated
from medspace.learning.net.classes import ClassQuality


class NetPhase(StrEnum):
    """What the next round asks; DONE asks nothing."""

    MOMENTS = "moments"
    MITIGATION = "mitigation"
    TRAINING = "training"
    THRESHOLDS = "thresholds"
    EVALUATION = "evaluation"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Best:
    """The weights with the least loss on the patients set apart, and after how many rounds of training."""

    weights: tuple[float, ...]
    loss: float
    round: int


@dataclass(frozen=True, slots=True)
class TrialStand:
    """Where one trial of a search stands (`searching`); the fields of `NetState`. One that has ended: its curves."""

    trial: int
    weights: tuple[float, ...] = ()
    previous: tuple[float, ...] = ()
    control: tuple[float, ...] = ()
    first: tuple[float, ...] = ()
    second: tuple[float, ...] = ()
    best: Best | None = None
    losses: tuple[float, ...] = ()
    checked: tuple[float, ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """What became of one trial of a search: its values and its least loss on patients set apart, exact text."""

    values: dict[str, str]
    rounds: int
    loss: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class NetState:
    """Where training stands after `round` totals.

    `weights` are those of the next question. `first` and `second` are what an adaptive strategy remembers. With
    SCAFFOLD, `previous` are the weights of the last question and `control` the mean gradient there. `balance` is how
    much a row counts without and with the outcome. `losses` are the mean losses of the weights of each question,
    `checked` those on the patients set apart. In a search they are those of the `trial` that is trained, which has
    been for `stage` rounds since its turn came; `trials` has where all of them stood when they were left. `groups`,
    `having` and `judged` as in `glm.following.MaskedFitState`.
    """

    phase: NetPhase = NetPhase.MOMENTS
    round: int = 0
    rows: int = 0
    persons: int = 0
    balance: tuple[float, float] = (1.0, 1.0)
    layout: Layout | None = None
    weights: tuple[float, ...] = ()
    previous: tuple[float, ...] = ()
    control: tuple[float, ...] = ()
    first: tuple[float, ...] = ()
    second: tuple[float, ...] = ()
    best: Best | None = None
    losses: tuple[float, ...] = ()
    checked: tuple[float, ...] = ()
    quality: Quality | None = None
    graded: ClassQuality | None = None  # in place of `quality`, for several classes
    groups: tuple[tuple[int, ...], ...] = ()
    having: tuple[tuple[int, ...], ...] = ()
    judged: Judgement | None = None
    mitigation: MitigationStand | None = None
    trials: tuple[TrialStand, ...] = ()
    trial: int = 0
    stage: int = 0

    @property
    def objective(self) -> float | None:
        """The mean loss of the last weights that were asked about, on patients set apart if there are any."""
        said = self.checked or self.losses
        return said[-1] if said else None

    @property
    def arranged(self) -> Layout:
        """The layout of a training that has one.

        Raises:
            SingularError: it has none.
        """
        if self.layout is None:
            raise SingularError
        return self.layout

    def written(self) -> JsonObject:
        """The same as canonical JSON: fractions as text."""
        said: JsonObject = exact(msgspec.to_builtins(self))
        for name in (
            "groups",
            "having",
            "judged",
            "mitigation",
        ):  # states of tasks without groups are those of earlier versions
            if not said[name]:
                del said[name]
        if not self.trials:
            for name in ("trials", "trial", "stage"):
                del said[name]
        return said


def read(state: JsonObject) -> NetState:
    """What was written."""
    return msgspec.convert(state, NetState, strict=False)


@dataclass(frozen=True, slots=True)
class NetFitted:
    """What a model of this kind holds; `runs.model.Model.result` is its JSON. Numbers are exact text.

    `widths` are the inputs, the hidden layers and the output; of `images` the channels behind each block stand before
    those, and a `dense` one is a DenseNet. `inputs` names the columns, which are filled, centred
    and scaled as `layout` says. `weights` are in the order of `network.Perceptron`. They are those after `best_round`
    rounds of training out of `rounds`. `losses` and `checked` are the curves, the latter of patients set apart. In a
    `cycle` the hospitals trained by turns, and each saw what the one before had changed. `trials` are those of a
    search, of which one was trained on; curves and rounds are its own.
    """

    widths: tuple[int, ...]
    inputs: tuple[str, ...]
    layout: Layout
    weights: tuple[str, ...]
    rounds: int
    best_round: int
    losses: tuple[str, ...]
    checked: tuple[str, ...]
    sites: tuple[SiteQuality, ...]
    pooled: Quality | None  # of a yes/no target
    graded: ClassQuality | None  # of several classes
    measured_on: str  # "training rows" or "held-out rows"
    persons: int
    uncarried: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    images: bool = False
    dense: bool = False
    judged: Judgement | None = None
    cycle: tuple[str, ...] = ()
    mitigated: Mitigated | None = None
    trials: tuple[TrialRecord, ...] = ()
