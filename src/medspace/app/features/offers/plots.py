"""Histograms as a page draws them: rectangles by attributes, and the same as rows of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medspace.core.text import Text, msgid

WIDTH, HEIGHT, FOOT = 320, 96, 16
GAP = 2
FEW = 3  # the height of a bar that stands for fewer than ten
MOST_TICKS, LONGEST_TICK = 6, 10


@dataclass(frozen=True, slots=True)
class PlottedBar:
    """One bar: where it is drawn, what it stands for, how many it counts (None: fewer than ten)."""

    x: str
    y: str
    width: str
    height: str
    label: Text
    count: int | None
    middle: str = ""
    tick: Text | None = None  # what stands below it, where there is room for a word below each


def bars_of(column: Mapping[str, Any]) -> list[PlottedBar]:
    """The bars of one column's profile."""
    found = column["bars"]
    if not found:
        return []
    wide, room = WIDTH / len(found), HEIGHT - FOOT
    highest = max([one["count"] or 0 for one in found] + [1])
    plotted = []
    for at, one in enumerate(found):
        high = FEW if one["count"] is None else max(room * one["count"] / highest, FEW)
        label = _label(one, column["type"])
        plotted.append(
            PlottedBar(
                x=f"{at * wide:.1f}",
                y=f"{room - high:.1f}",
                width=f"{max(wide - GAP, 1):.1f}",
                height=f"{high:.1f}",
                label=label,
                count=one["count"],
                middle=f"{(at + 0.5) * wide:.1f}",
                tick=label if one["value"] and len(found) <= MOST_TICKS and _short(one) else None,
            )
        )
    return plotted


def _short(bar: Mapping[str, Any]) -> bool:
    return len(bar["value"]) <= LONGEST_TICK


def _label(bar: Mapping[str, Any], kind: str) -> Text:
    if bar["rest"]:
        return Text(msgid("other values"))
    if bar["value"] and kind == "flag":
        return Text(msgid("yes")) if bar["value"] == "1" else Text(msgid("no"))
    low, high = bar["low"], bar["high"]
    if bar["value"] and (low is None) == (high is None):
        return Text("{value}", {"value": bar["value"]})
    facts = {"low": number(low), "high": number(high)}
    if low is None and high is not None:
        return Text(msgid("below {high}"), facts)
    if high is None and low is not None:
        return Text(msgid("{low} and more"), facts)
    return Text(msgid("{low} to below {high}"), facts)


def number(value: float | None) -> str:
    """A number on an axis; years have no mark between thousands."""
    return "" if value is None else f"{value:.12g}"
