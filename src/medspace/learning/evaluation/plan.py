"""What a task wants to have counted of its model: for which groups, at which thresholds.

judge = { groups = ["sex", { column = "age", bands = [50, 65] }], thresholds = [0.5] }
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid
from medspace.runs.errors import TaskInvalidError

MOST_ATTRIBUTES, MOST_GROUPS, MOST_THRESHOLDS = 8, 24, 20
LEAST = 11  # persons of a cell, as long as a task names no other number
SMALLEST, LARGEST = 5, 1_000_000

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Fraction = float | str


@dataclass(frozen=True, slots=True)
class GroupAttribute:
    """A column that divides the rows: by its codes, or by bands of its numbers (from one bound up to the next)."""

    column: str
    codes: tuple[str, ...] = ()
    bands: tuple[float, ...] = ()

    @property
    def coded(self) -> bool:
        """Whether it holds codes rather than numbers."""
        return bool(self.codes)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups; rows without a value, and rare codes, are in none of them."""
        if self.codes:
            return self.codes
        bounds = [f"{bound:g}" for bound in self.bands]
        between = (f"{low} - {high}" for low, high in pairwise(bounds))
        return (f"< {bounds[0]}", *between, f">= {bounds[-1]}")

    def document(self) -> JsonObject:
        """The canonical form."""
        if self.codes:
            return {"column": self.column, "codes": list(self.codes)}
        return {"column": self.column, "bands": [repr(bound) for bound in self.bands]}


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """For which groups and thresholds a model is judged; no cell of fewer than `least` persons is shown."""

    attributes: tuple[GroupAttribute, ...] = ()
    thresholds: tuple[float, ...] = (0.5,)
    least: int = LEAST

    def document(self) -> JsonObject:
        """The canonical form."""
        return {
            "groups": [one.document() for one in self.attributes],
            "thresholds": [repr(one) for one in self.thresholds],
            "least": self.least,
        }


class _AttributeForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    column: Name
    codes: Annotated[list[Name], msgspec.Meta(max_length=MOST_GROUPS)] = []
    bands: Annotated[list[Fraction], msgspec.Meta(max_length=MOST_GROUPS)] = []


class JudgeForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The field `judge` of a task."""

    groups: Annotated[list[Name | _AttributeForm], msgspec.Meta(max_length=MOST_ATTRIBUTES)] = []
    thresholds: Annotated[tuple[Fraction, ...], msgspec.Meta(max_length=MOST_THRESHOLDS)] = (0.5,)
    least: Annotated[int, msgspec.Meta(ge=SMALLEST, le=LARGEST)] = LEAST


def planned(form: JudgeForm, levels: Mapping[str, tuple[str, ...]]) -> JudgePlan:
    """The plan of a form; `levels` are the codes of the coded features, which need not be named again.

    Raises:
        TaskInvalidError: with what is wrong with it.
    """
    attributes = tuple(_attribute(one, levels) for one in form.groups)
    columns = [one.column for one in attributes]
    if len(set(columns)) < len(columns):
        raise _refused(msgid("judge names a column twice"))
    if sum(len(one.groups) for one in attributes) > MOST_GROUPS:
        raise _refused(msgid("judge has more than {most} groups"), most=MOST_GROUPS)
    return JudgePlan(attributes, _rising("thresholds", form.thresholds, 0.0, 1.0), form.least)


def _attribute(form: str | _AttributeForm, levels: Mapping[str, tuple[str, ...]]) -> GroupAttribute:
    given = _AttributeForm(form) if isinstance(form, str) else form
    codes = tuple(given.codes) or (() if given.bands else levels.get(given.column, ()))
    if bool(codes) == bool(given.bands):
        raise _refused(msgid("judge needs either the codes or the bands of {column}"), column=given.column)
    if codes and len(set(codes)) < len(codes):
        raise _refused(msgid("judge names a code of {column} twice"), column=given.column)
    bands = _rising("bands", given.bands, -1e12, 1e12) if given.bands else ()
    if len({f"{bound:g}" for bound in bands}) < len(bands):  # they would be written alike
        raise _refused(msgid("the bands of {column} lie too close to one another"), column=given.column)
    return GroupAttribute(given.column, codes, bands)


def _rising(field: str, given: Sequence[Fraction], least: float, most: float) -> tuple[float, ...]:
    """Numbers strictly between two others, each larger than the one before."""
    try:
        values = tuple(float(one) + 0.0 for one in given)
    except ValueError:
        raise _refused(msgid("{field} is not a number"), field=field) from None
    inside = all(math.isfinite(one) and least < one < most for one in values)
    if not inside or list(values) != sorted(set(values)):
        raise _refused(
            msgid("{field} must be rising numbers between {least} and {most}"), field=field, least=least, most=most
        )
    return values


def _refused(sentence: str, **facts: Fact) -> TaskInvalidError:
    return TaskInvalidError(reason=Text(sentence, facts))
