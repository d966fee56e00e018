"""Pictures of trainings as coordinates: a curve over rounds, intervals of coefficients. A table says the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, isfinite, log

from medspace.core.canonical import JsonObject
from medspace.core.text import msgid

WIDTH, HEIGHT = 320.0, 170.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 8.0, 10.0, 26.0
BAR, ROW = 200.0, 18.0  # of the picture of one coefficient
Z95 = 1.959964  # of a normal distribution: 95 % lie within
MOST_TICKS = 6
LARGEST = 700.0  # of a coefficient whose ratio is a finite number
APART = 30.0  # of two marks of the axis below the coefficients
EDGE = 20.0  # closer to an edge than this, a mark stands inside of it
# What e to the power of a coefficient is, by the family of a model; of others the coefficient itself is the effect.
RATIOS: Mapping[str, str] = {
    "binomial": msgid("Odds ratio"),
    "cox": msgid("Hazard ratio"),
    "poisson": msgid("Rate ratio"),
}


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str
    anchor: str = "middle"  # as SVG has `text-anchor`


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

    @property
    def ratios(self) -> tuple[float | None, float | None, float | None]:
        """E to the power of the value and of its bounds; None where it is unknown or no finite number."""
        return _exp(self.value), _exp(self.low), _exp(self.high)


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One term of a model, or of several."""

    name: str
    marks: tuple[IntervalMark, ...]


@dataclass(frozen=True, slots=True)
class ForestPlot:
    """Coefficients with their intervals on one scale; `zero` is where nothing has an effect.

    `ratio` is what e to the power of them is (`RATIOS`), where one family says so: the scale is then logarithmic in
    that, and so are the `ticks` below it.
    """

    rows: tuple[ForestRow, ...]
    zero: float
    low: float
    high: float
    height: float
    ticks: tuple[Tick, ...] = ()
    ratio: str = ""


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
    families = {str(model.get("family", "")) for model in models}
    ratio = RATIOS.get(families.pop(), "") if len(families) == 1 else ""
    marked = _ratios(low, high) if ratio else [(0.0, "0"), (low, f"{low:.3g}"), (high, f"{high:.3g}")]
    ticks = _apart([(at(place) or 0.0, text) for place, text in marked])
    return ForestPlot(rows, at(0.0) or 0.0, low, high, ROW * len(found), ticks, ratio)


def _ratios(low: float, high: float) -> list[tuple[float, str]]:
    """Round ratios between these coefficients, with their place, the most important first: 1, then those far from it.

    Where 1 is the only round one, the ends are told.
    """
    low, high = max(low, -LARGEST), min(high, LARGEST)
    exponents = range(ceil(low / log(10)) - 1, ceil(high / log(10)) + 1)
    found = [(digit, exponent) for exponent in exponents for digit in (1, 2, 5) if (digit, exponent) != (1, 0)]
    marked = [(log(digit) + exponent * log(10), f"{digit * 10.0**exponent:.3g}") for digit, exponent in found]
    inside = sorted((one for one in marked if low <= one[0] <= high), key=lambda one: -abs(one[0]))
    ends = [(place, f"{exp(place):.4g}") for place in (low, high)]
    return [(0.0, "1"), *(inside or (one for one in ends if one[1] != "1"))]


def _apart(marked: Sequence[tuple[float, str]]) -> tuple[Tick, ...]:
    """Marks that do not touch one another; the first ones are kept."""
    kept: list[Tick] = []
    for at, text in marked:
        if len(kept) < MOST_TICKS and all(abs(at - one.at) >= APART for one in kept):
            kept.append(Tick(at, text, "start" if at < EDGE else "end" if at > BAR - EDGE else "middle"))
    return tuple(sorted(kept, key=lambda one: one.at))


def _exp(value: float | None) -> float | None:
    try:
        return None if value is None else exp(value)
    except OverflowError:
        return None


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
