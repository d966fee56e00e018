"""How many questions a dataset was asked and still answers, as JSON and in words."""

from collections.abc import Sequence

from medspace.connector.usage.brakes import Allowance
from medspace.connector.usage.disclosures import Given
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, counted, msgid

MOST_COLUMNS = 8  # that are named


def shown(dataset: str, allowance: Allowance) -> JsonObject:
    """The questions of a dataset: `limit` a year, `used`, `left`, and `back`, the day when some become available."""
    return {
        "dataset": dataset,
        "limit": allowance.limit,
        "used": allowance.used,
        "left": allowance.left,
        "back": allowance.back.isoformat() if allowance.back else None,
    }


def numbers_shown(dataset: str, given: Given, cells: int) -> JsonObject:
    """The numbers that have left a dataset: `limit` in all, `used`, `left`, and the number of `cells` that it has."""
    return {"dataset": dataset, "limit": given.limit, "used": given.used, "left": given.left, "cells": cells}


def numbers_left(state: JsonObject) -> Text:
    """The numbers that are left, in words."""
    facts = {name: state[name] for name in ("dataset", "limit", "used", "left", "cells")}
    sentence = msgid(
        "{dataset} has given {used} of the {limit} numbers that it gives to all users together, in all; it holds "
        "{cells} cells, and as many numbers as cells could tell all of them."
    )
    return Text(sentence, facts)


def near_repeat(state: JsonObject) -> Text:
    """A question that nearly repeats an earlier one, in words."""
    facts = {name: state[name] for name in ("dataset", "entry", "earlier", "differs")}
    sentence = msgid(
        "{dataset}: the task of entry {entry} is that of entry {earlier} but for {differs}; both answers together "
        "are about those whom that one thing concerns."
    )
    return Text(sentence, facts)


def cells_told(dataset: str, cells: int, columns: Sequence[str] = ()) -> Text:
    """What the first answer of a dataset reveals about few patients, in words; `columns` with the worst first."""
    pairs = counted(cells, msgid("{count} pair of codes"), msgid("{count} pairs of codes"))
    facts: dict[str, Fact | Text] = {"dataset": dataset, "pairs": pairs}
    if columns:
        named = ", ".join(columns[:MOST_COLUMNS]) + (", …" if len(columns) > MOST_COLUMNS else "")
        sentence = msgid(
            "Too few patients of {dataset} have {pairs}, most of these columns: {columns}. The first answer to a "
            "task can tell of them."
        )
        return Text(sentence, facts | {"columns": named})
    return Text(
        msgid("Too few patients of {dataset} have {pairs}; the first answer to a task can tell of them."), facts
    )


def questions_left(state: JsonObject) -> Text:
    """The questions that are left, in words."""
    facts = {name: state[name] for name in ("dataset", "limit", "used", "left")}
    if state["back"] is None:
        sentence = msgid("{dataset} was asked no exact question this year; it answers {limit} of all users together.")
        return Text(sentence, facts)
    sentence = msgid(
        "{dataset} was asked {used} of the {limit} questions that it answers a year, of all users together; "
        "{left} are left, and the first come back on {back}."
    )
    return Text(sentence, facts | {"back": state["back"]})
