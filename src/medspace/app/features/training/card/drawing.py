"""The figures of a card as SVG: lines and shapes in black and white, told apart by form and never by colour."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

SIZE, EDGE = 260.0, 34.0  # of a square figure; of the room for its axis
WIDE, ROW, NAME = 460.0, 22.0, 150.0  # of a figure with bars, of one row, of the names
MOST_NAME = 24  # characters


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure with its interval, between 0 and 1; None where it is not known."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


def bars(found: Sequence[Bar], label: str, *, start: float = 0.0, end: float = 1.0) -> Markup:
    """A dot with its interval for each name, on one scale from `start` to `end`."""
    height = ROW * len(found) + 24

    def at(value: float) -> float:
        return round(NAME + (min(max(value, start), end) - start) / (end - start) * (WIDE - NAME - 12), 1)

    ticks = [start + (end - start) * step / 5 for step in range(6)]
    drawn = [_line(at(tick), 0, at(tick), height - 20, "grid") for tick in ticks]
    drawn += [_text(at(tick), height - 6, f"{tick:.1f}", "middle") for tick in ticks]
    for place, one in enumerate(found):
        down = ROW * (place + 0.5)
        drawn.append(_text(NAME - 8, down + 4, one.name[:MOST_NAME], "end"))
        if one.value is None:
            drawn.append(_text(NAME + 4, down + 4, "–", "start"))
            continue
        if one.low is not None and one.high is not None:
            drawn.append(_line(at(one.low), down, at(one.high), down, "line"))
            drawn += [_line(at(value), down - 4, at(value), down + 4, "line") for value in (one.low, one.high)]
        drawn.append(Markup('<circle cx="{}" cy="{}" r="4" class="dot"/>').format(at(one.value), down))
    return _figure(WIDE, height, label, drawn)


def roc(points: Sequence[tuple[float, float]], label: str) -> Markup:
    """Sensitivity over 1 - specificity, beside the line of chance."""
    drawn = [*_axes(), _line(_x(0), _y(0), _x(1), _y(1), "dashes")]
    path = " ".join(f"{_x(x)},{_y(y)}" for x, y in points)
    drawn.append(Markup('<polyline points="{}" class="line" fill="none"/>').format(path))
    drawn += [Markup('<circle cx="{}" cy="{}" r="2.5" class="dot"/>').format(_x(x), _y(y)) for x, y in points]
    return _figure(SIZE, SIZE, label, drawn)


def reliability(points: Sequence[tuple[float, float, float, float]], label: str) -> Markup:
    """Observed over expected shares with their intervals; on the dashed line the model is calibrated."""
    drawn = [*_axes(), _line(_x(0), _y(0), _x(1), _y(1), "dashes")]
    for expected, observed, low, high in points:
        drawn.append(_line(_x(expected), _y(low), _x(expected), _y(high), "line"))
        square = Markup('<rect x="{}" y="{}" width="7" height="7" class="dot"/>')
        drawn.append(square.format(round(_x(expected) - 3.5, 1), round(_y(observed) - 3.5, 1)))
    return _figure(SIZE, SIZE, label, drawn)


def curve(found: Sequence[tuple[int, float]], label: str) -> Markup:
    """A value for each question that has one, on a scale from the smallest to the largest; two at least."""
    (first, last), values = (found[0][0], found[-1][0]), [value for _, value in found]
    low, high = min(values), max(values)
    span = high - low or 1.0
    points = [((at - first) / (last - first), (value - low) / span) for at, value in found]
    path = " ".join(f"{_x(x)},{_y(y)}" for x, y in points)
    drawn = [
        _line(_x(0), _y(0), _x(1), _y(0), "axis"),
        _line(_x(0), _y(0), _x(0), _y(1), "axis"),
        _text(_x(0) - 3, _y(1) + 4, f"{high:.4g}", "end"),
        _text(_x(0) - 3, _y(0) + 4, f"{low:.4g}", "end"),
        _text(_x(0), SIZE - 14, str(first), "middle"),
        _text(_x(1), SIZE - 14, str(last), "middle"),
        Markup('<polyline points="{}" class="line" fill="none"/>').format(path),
        *(Markup('<circle cx="{}" cy="{}" r="2.5" class="dot"/>').format(_x(x), _y(y)) for x, y in points),
    ]
    return _figure(SIZE, SIZE, label, drawn)


def _axes() -> list[Markup]:
    ticks = [step / 5 for step in range(6)]
    drawn = [_line(_x(0), _y(tick), _x(1), _y(tick), "grid") for tick in ticks]
    drawn += [_line(_x(tick), _y(0), _x(tick), _y(1), "grid") for tick in ticks]
    drawn += [_text(_x(tick), SIZE - EDGE + 16, f"{tick:.1f}", "middle") for tick in ticks]
    drawn += [_text(EDGE - 4, _y(tick) + 4, f"{tick:.1f}", "end") for tick in ticks]
    return drawn


def _x(share: float) -> float:
    return round(EDGE + share * (SIZE - EDGE - 10), 1)


def _y(share: float) -> float:
    return round(10 + (1.0 - share) * (SIZE - EDGE - 10), 1)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(x1, y1, x2, y2, kind)


def _text(x: float, y: float, said: str, anchor: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, escape(said))


def _figure(width: float, height: float, label: str, drawn: Sequence[Markup]) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">')
    return head.format(width, height, width, height, label) + Markup("").join(drawn) + Markup("</svg>")
