"""Pictures of trainings as coordinates: a curve over rounds, intervals of coefficients. A table says the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from medspace.core.canonical import JsonObject

WIDTH, HEIGHT = 320.0, 170.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 10.0, 26.0
BAR, ROW = 200.0, 18.0  # of the picture of one coefficient
Z95 = 1.959964  # of a normal distribution: 95 % lie within
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class CurvePlot:
    """A line through points, with its axes."""

    line: str  # as SVG has `points`
    points: tuple[tuple[float, float], ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class IntervalMark:
    """One coefficient of one model; where no interval is known, `low` and `high` are None, and none is drawn."""

    value: float | None
    low: float | None = None
    high: float | None = None
    at: float | None = None  # the same, as drawn
    start: float | None = None
    end: float | None = None
    down: float = ROW / 2


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One term of a model, or of several."""

    name: str
    marks: tuple[IntervalMark, ...]


@dataclass(frozen=True, slots=True)
class ForestPlot:
    """Coefficients with their intervals on one scale; `zero` is where nothing has an effect."""

    rows: tuple[ForestRow, ...]
    zero: float
    low: float
    high: float
    height: float


def curve(points: Sequence[tuple[int, float]]) -> CurvePlot | None:
    """A curve through at least two points."""
    kept = [(x, y) for x, y in points if isfinite(y)]
    if len(kept) < 2:  # noqa: PLR2004 - one makes no line
        return None
    (first, last), (low, high) = (kept[0][0], kept[-1][0]), _ends([y for _, y in kept])

    def across(x: float) -> float:
        return round(LEFT + (x - first) / max(last - first, 1) * (WIDTH - LEFT - RIGHT), 1)

    def up(y: float) -> float:
        return round(TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    drawn = tuple((across(x), up(y)) for x, y in kept)
    step = max(1, -(-(last - first) // (MOST_TICKS - 1)))
    ticks = tuple(Tick(across(x), str(x)) for x in range(first, last + 1, step))
    levels = tuple(Tick(up(y), f"{y:.4g}") for y in (high, (low + high) / 2, low))
    return CurvePlot(" ".join(f"{x},{y}" for x, y in drawn), drawn, ticks, levels)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def forest(models: Sequence[JsonObject]) -> ForestPlot | None:
    """The coefficients of models, the intercept left out, which has another scale; None where no model has any."""
    found = [_coefficients(model) for model in models]
    names = list(dict.fromkeys(name for one in found for name in one))
    marks = [[one.get(name, IntervalMark(None)) for one in found] for name in names]
    reach = [
        number for row in marks for mark in row for number in (mark.value, mark.low, mark.high) if number is not None
    ]
    if not reach:
        return None
    low, high = _ends([0.0, *reach])

    def at(value: float | None) -> float | None:
        return None if value is None else round(4 + (value - low) / (high - low) * (BAR - 8), 1)

    rows = tuple(
        ForestRow(
            name,
            tuple(
                IntervalMark(m.value, m.low, m.high, at(m.value), at(m.low), at(m.high), ROW * (place + 0.5))
                for place, m in enumerate(row)
            ),
        )
        for name, row in zip(names, marks, strict=True)
    )
    return ForestPlot(rows, at(0.0) or 0.0, low, high, ROW * len(found))


def _coefficients(model: JsonObject) -> Mapping[str, IntervalMark]:
    said = model.get("coefficients") or ()
    return {one["name"]: _mark(one) for one in said if one["name"] != "intercept"}


def _mark(one: JsonObject) -> IntervalMark:
    value, error = _finite(one["value"]), _finite(one["standard_error"])
    if value is None or error is None:
        return IntervalMark(value)
    return IntervalMark(value, value - Z95 * error, value + Z95 * error)


def _finite(said: object) -> float | None:
    try:
        value = float(said)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) else None
