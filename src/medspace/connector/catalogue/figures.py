"""The figures of a dataset in its catalogue: those that its holder chose, as they were rounded last, and others'."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec

from medspace.connector.model import FIGURES, KeptFigures
from medspace.core.canonical import LARGEST_INTEGER, Json, JsonObject
from medspace.core.store import Transaction
from medspace.privacy.figures import DatasetFigures, PatientCounts, figures_of

SIZE, MISSING = PUBLISHABLE = ("size", "missing")
MOST_COLUMNS = 1_000
LONGEST_NAME = 200
WHOLE = 100  # percent
_OF = {"persons": SIZE, "persons_step": SIZE, "missing": MISSING, "missing_step": MISSING}
REACHED, STEP = "reached", 10  # patients whom a purpose reaches by consent, and its step; published by saying so


def rounded(tx: Transaction, asset: str, counts: PatientCounts, least: int) -> DatasetFigures:
    """The figures of a dataset with these counts, which hold to the last ones; kept for the next."""
    before = tx.get(FIGURES, asset) or KeptFigures(asset, DatasetFigures())
    return _kept(tx, replace(before, figures=figures_of(counts, least, before.figures))).figures


def reached(tx: Transaction, asset: str) -> Mapping[str, int]:
    """How many patients of a dataset each purpose reaches by their consent, as it was told last."""
    kept = tx.get(FIGURES, asset)
    return {} if kept is None else kept.reached


def reach(tx: Transaction, asset: str, counts: Mapping[str, int]) -> None:
    """Tell how many patients each purpose reaches, rounded already; from the next publication on."""
    before = tx.get(FIGURES, asset) or KeptFigures(asset, DatasetFigures())
    _kept(tx, replace(before, reached=dict(counts)))


def _kept(tx: Transaction, made: KeptFigures) -> KeptFigures:
    before = tx.get(FIGURES, made.id)
    if before is None:
        tx.insert(FIGURES, made)
    elif before != made:
        tx.replace(FIGURES, before, made)
    return made


def with_reach(figures: JsonObject | None, counts: Mapping[str, int]) -> JsonObject | None:
    """Published figures with how many patients each purpose reaches by consent."""
    rest = {name: value for name, value in (figures or {}).items() if name not in (REACHED, f"{REACHED}_step")}
    return {**rest, **({REACHED: dict(counts), f"{REACHED}_step": STEP} if counts else {})} or None


def shown(figures: DatasetFigures, publish: Collection[str]) -> JsonObject | None:
    """What the catalogue has of these figures; None where that is nothing."""
    size = {"persons": figures.persons, "persons_step": figures.persons_step} if figures.persons else {}
    shares = {"missing": dict(figures.missing), "missing_step": figures.missing_step} if figures.missing else {}
    return chosen({**size, **shares}, publish)


def chosen(figures: Mapping[str, Json] | None, publish: Collection[str]) -> JsonObject | None:
    """The part of published figures that its holder wants published; None where that is nothing."""
    return {name: value for name, value in (figures or {}).items() if _OF.get(name) in publish} or None


def read(said: Json, persons: Json = None) -> JsonObject:
    """The figures that a participant's catalogue says, which may say anything; None and {} where it says none.

    `persons` is what HealthDCAT-AP calls the number of individuals: connectors of another make say no more.
    """
    said = said if isinstance(said, dict) else {}
    missing = _numbers(said.get("missing"), WHOLE)
    size, each = _number(said.get("persons", persons)), _number(said.get("persons_step"))
    return {
        "persons": size,
        "persons_step": each if size is not None else None,
        "missing": missing,
        "missing_step": _number(said.get("missing_step"), WHOLE) if missing else None,
        REACHED: _numbers(said.get(REACHED)),
    }


def _numbers(said: Json, most: int = LARGEST_INTEGER) -> dict[str, int]:
    named = list(said.items())[:MOST_COLUMNS] if isinstance(said, dict) else []
    return {name[:LONGEST_NAME]: number for name, given in named if (number := _number(given, most)) is not None}


def _number(value: Json, most: int = LARGEST_INTEGER) -> int | None:
    """A count; a literal of RDF may be an object, and its value a text."""
    if isinstance(value, dict):
        value = value.get("@value")
    try:
        number = msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError:
        return None
    return number if 0 <= number <= most else None
