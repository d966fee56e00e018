"""What a trained model computes, from columns as they were measured to its scores, whatever kind of task made it.

Gaps are filled, columns chosen, centred and scaled, then come one or more linear layers, and a head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np

from medspace.core.canonical import JsonObject, exact
from medspace.core.hashing import digest
from medspace.core.material import Columns
from medspace.learning.evaluation.membership import labels
from medspace.learning.evaluation.plan import GroupAttribute
from medspace.learning.glm.design import Mask, Matrix, Vector, raw, starts
from medspace.learning.glm.maths import mean
from medspace.learning.glm.task import FeatureColumn, Target
from medspace.learning.mitigation.model import Mitigated
from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.using.errors import PackedModelError

Head = Literal["identity", "logistic", "exponential", "hazard", "classes", "ordinal"]
Bend = Literal["relu", "tanh"]
Layer = tuple[Matrix, Vector]  # inputs x outputs, and the constant of each output
WIDEST, MOST_LAYERS = 100_000, 64


class GroupThresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which chance on the model says yes, by the group of a row; that of all other rows last.

    Groups are those of the codes of a column, or of bands of its numbers (`evaluation.plan.GroupAttribute`).
    """

    attribute: GroupAttribute
    thresholds: list[float]

    @property
    def fits(self) -> bool:
        """Whether every group has one."""
        one = self.attribute
        whole = bool(one.codes) != bool(one.bands) and list(one.bands) == sorted(set(one.bands))
        return whole and len(self.thresholds) == len(one.groups) + 1 and all(0.0 < at < 1.0 for at in self.thresholds)

    def of(self, rows: Columns) -> Vector:
        """The threshold of each row."""
        return np.asarray(self.thresholds, dtype=np.float64)[labels(self.attribute, rows)]

    def decisions(self, chances: Vector, rows: Columns) -> Vector:
        """Of each row 1 for yes and 0 for no, NaN where the model knows nothing of it."""
        return np.where(np.isnan(chances), np.nan, (chances >= self.of(rows)).astype(np.float64))


class PipelineText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pipeline without its numbers."""

    target: Target
    features: list[FeatureColumn]
    outputs: list[str]
    head: Head
    drops: bool = False
    activation: Bend = "relu"
    uncarried: list[str] = []
    deciding: GroupThresholds | None = None


@dataclass(frozen=True, slots=True)
class Joining:
    """How levels that the model does not know are counted: as the joined ones, which is linear in the 0/1 columns.

    The values become `values @ matrix + constant`. About a row the model knows nothing where one of the columns of
    `values @ lost + lost_constant` is 1 and the feature that begins at the column named in `lost_starts` has a value.
    """

    matrix: Matrix
    constant: Vector
    lost: Matrix
    lost_constant: Vector
    lost_starts: tuple[int, ...]


@dataclass(frozen=True)
class Pipeline:
    """A model as what it computes.

    `fill` has one number per value column (`columns`), `kept` the places of the columns that are used among these and
    the 0/1 columns that say where a feature has no value, `centre` and `scale` one number for each of these.
    `outputs` names what a row gets. A pipeline that `drops` has nothing to say of a row with a gap. With `deciding`
    it says yes or no besides.
    """

    target: Target
    features: tuple[FeatureColumn, ...]
    outputs: tuple[str, ...]
    head: Head
    fill: Vector
    kept: tuple[int, ...]
    centre: Vector
    scale: Vector
    layers: tuple[Layer, ...]
    drops: bool = False
    activation: Bend = "relu"
    uncarried: tuple[str, ...] = ()
    deciding: GroupThresholds | None = None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the value columns: one per number, of a coded feature one 0/1 column for each later level."""
        return tuple(name for feature in self.features for name in feature.columns)

    @cached_property
    def starts(self) -> list[int]:
        """The first value column of each feature."""
        return starts(self.features)

    def score_rows(self, rows: Columns) -> Matrix:
        """The scores of rows as they were measured, rows x outputs; NaN where the model knows nothing.

        Raises:
            ColumnUnknownError, LevelUnknownError: the rows do not suit the model.
        """
        return self.score(raw(self.features, rows))

    def score(self, values: Matrix) -> Matrix:
        """The same for value columns, NaN where a value is missing."""
        return self._headed(self.linear(values))

    def linear(self, values: Matrix) -> Matrix:
        """What the head makes scores of."""
        now = self.arranged(values)
        for place, (matrix, constant) in enumerate(self.layers):
            now = now @ matrix + constant
            if place < len(self.layers) - 1:
                now = self.bent(now)
        return now

    def arranged(self, values: Matrix) -> Matrix:
        """The columns that go into the first layer: filled, chosen, centred, scaled; NaN in rows it does not know."""
        gaps = np.isnan(values)
        known, unknown = self._joined(np.where(gaps, 0.0, values), gaps)
        filled = np.where(gaps, self.fill, known)
        if self.drops:
            unknown = unknown | gaps.any(axis=1)
        else:
            filled = np.column_stack([filled, gaps[:, self.starts]])
        made: Matrix = (filled[:, self.kept] - self.centre) / self.scale
        return np.where(unknown[:, None], np.nan, made)

    def standardised(self, values: Matrix) -> Matrix:
        """The columns as their normalisation leaves them."""
        return self.arranged(values)

    @property
    def output_head(self) -> OutputHead | None:
        """How losses are found from what the head makes scores of; None of a model that gives no chances."""
        if self.head in ("classes", "ordinal"):
            return OutputHead(self.head, len(self.outputs))
        return BINARY if self.head == "logistic" else None

    def inner(self, values: Matrix) -> Matrix:
        """What goes into the last layer."""
        columns = self.arranged(values)
        for matrix, constant in self.layers[:-1]:
            columns = self.bent(columns @ matrix + constant)
        return columns

    def bent(self, straight: Matrix) -> Matrix:
        """What a hidden layer makes of its sums."""
        return np.tanh(straight) if self.activation == "tanh" else np.maximum(straight, 0.0)

    def _joined(self, values: Matrix, gaps: Mask) -> tuple[Matrix, Mask]:
        how = self.joining
        if how is None:
            return values, np.zeros(len(values), dtype=np.bool_)
        has = values @ how.lost + how.lost_constant > 0.5  # noqa: PLR2004 - of 0 and 1
        unknown: Mask = np.any(has & ~gaps[:, how.lost_starts], axis=1)
        return values @ how.matrix + how.constant, unknown

    def _headed(self, straight: Matrix) -> Matrix:
        if self.head == "hazard":
            with np.errstate(over="ignore"):
                return np.column_stack([straight, np.exp(straight)])
        if self.head in ("classes", "ordinal"):
            made: Matrix = OutputHead(self.head, len(self.outputs)).chances(straight)
            return made
        family = {"logistic": "binomial", "exponential": "poisson"}.get(self.head, "gaussian")
        found: Matrix = mean(family, straight)  # type: ignore[arg-type]
        return found

    @cached_property
    def joining(self) -> Joining | None:
        """How levels that nobody was counted with are treated; None where there are none."""
        if not self.uncarried:
            return None
        width = len(self.columns)
        matrix, constant = np.eye(width), np.zeros(width)
        lost: list[tuple[Vector, float, int]] = []
        for feature, start in zip(self.features, self.starts, strict=True):
            end = start + len(feature.columns)
            for place, level in enumerate(feature.levels):
                if f"{feature.name}={level}" not in self.uncarried:
                    continue
                has, base = _level(width, start, end, place)
                matrix[:, end - 1] += has
                constant[end - 1] += base
                if place:
                    matrix[start + place - 1, start + place - 1] = 0.0
                if feature.columns[-1] in self.uncarried:
                    lost.append((has, base, start))
        return Joining(
            matrix,
            constant,
            np.column_stack([has for has, _, _ in lost]) if lost else np.zeros((width, 0)),
            np.array([base for _, base, _ in lost]),
            tuple(start for _, _, start in lost),
        )

    def text(self) -> JsonObject:
        """All but the numbers."""
        made = PipelineText(
            self.target,
            list(self.features),
            list(self.outputs),
            self.head,
            self.drops,
            self.activation,
            list(self.uncarried),
            self.deciding,
        )
        said: JsonObject = exact(msgspec.to_builtins(made))
        if self.deciding is None:  # digests are those of earlier versions
            del said["deciding"]
        return said

    def numbers(self) -> Mapping[str, Vector | Matrix]:
        """The numbers, by name: 64-bit floats, the places in `kept` among them."""
        found: dict[str, Vector | Matrix] = {
            "fill": self.fill,
            "kept": np.array(self.kept, dtype=np.float64),
            "centre": self.centre,
            "scale": self.scale,
        }
        for place, (matrix, constant) in enumerate(self.layers):
            found |= {f"layers.{place}.weight": matrix, f"layers.{place}.bias": constant}
        return found

    def digest(self) -> str:
        """A digest of all of it; of the numbers as exact text."""
        return digest_of(self.text(), self.numbers())


def digest_of(text: JsonObject, numbers: Mapping[str, Vector | Matrix]) -> str:
    """The digest of a text and of numbers as exact text."""
    said = {
        name: {"shape": list(values.shape), "values": [repr(value) for value in values.ravel().tolist()]}
        for name, values in numbers.items()
    }
    return digest({**text, "numbers": said})


def deciding(mitigated: Mitigated | None) -> GroupThresholds | None:
    """The thresholds of a model whose groups have their own."""
    if mitigated is None or mitigated.equal is None:
        return None
    return GroupThresholds(mitigated.attribute, list(mitigated.thresholds()))


def _level(width: int, start: int, end: int, place: int) -> tuple[Vector, float]:
    """Whether a row has a level, as a linear function of its value columns."""
    has = np.zeros(width)
    if place:
        has[start + place - 1] = 1.0
        return has, 0.0
    has[start:end] = -1.0  # of the reference: none of the others
    return has, 1.0


def read(text: JsonObject, numbers: Mapping[str, Vector | Matrix]) -> Pipeline:
    """The pipeline of this text and these numbers.

    Raises:
        PackedModelError: they make none.
    """
    try:
        said = msgspec.convert(text, PipelineText, strict=False)
    except msgspec.ValidationError:
        raise PackedModelError from None
    count = sum(1 for name in numbers if name.endswith(".weight"))
    wanted = {"fill", "kept", "centre", "scale"} | {f"layers.{k}.{part}" for k in range(count) for part in _PARTS}
    if numbers.keys() != wanted or not all(np.isfinite(values).all() for values in numbers.values()):
        raise PackedModelError
    made = Pipeline(
        target=said.target,
        features=tuple(said.features),
        outputs=tuple(said.outputs),
        head=said.head,
        fill=numbers["fill"],
        kept=tuple(int(place) for place in numbers["kept"].ravel()),
        centre=numbers["centre"],
        scale=numbers["scale"],
        layers=tuple((numbers[f"layers.{k}.weight"], numbers[f"layers.{k}.bias"]) for k in range(count)),
        drops=said.drops,
        activation=said.activation,
        uncarried=tuple(said.uncarried),
        deciding=said.deciding,
    )
    if not _fits(made):
        raise PackedModelError
    return made


_PARTS = ("weight", "bias")


def _fits(made: Pipeline) -> bool:
    """Whether all its numbers have the shapes that belong together."""
    columns, used = len(made.columns), len(made.kept)
    whole = columns if made.drops else columns + len(made.features)
    inputs = [used, *(matrix.shape[-1] for matrix, _ in made.layers)]
    outputs = {"hazard": 2, "ordinal": inputs[-1] + 1}.get(made.head, inputs[-1])
    flat = all(vector.ndim == 1 for vector in (made.fill, made.centre, made.scale, *(b for _, b in made.layers)))
    return (
        flat
        and 0 < columns <= WIDEST
        and 0 < len(made.layers) <= MOST_LAYERS
        and len(made.fill) == columns
        and used == len(made.centre) == len(made.scale)
        and all(0 <= place < whole for place in made.kept)
        and bool((made.scale != 0.0).all())
        and all(
            matrix.shape == (inner, len(constant))
            for (matrix, constant), inner in zip(made.layers, inputs[:-1], strict=True)
        )
        and len(made.outputs) == outputs
        and (made.deciding is None or (made.head == "logistic" and made.deciding.fits))
        and (made.head in ("classes", "ordinal") or inputs[-1] == 1)
        and all(len(feature.levels) >= 2 for feature in made.features if feature.levels)  # noqa: PLR2004
    )
