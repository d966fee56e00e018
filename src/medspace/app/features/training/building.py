"""A training task made of what a person chose in a form, and no column but those that were offered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

MOST_FIELDS = 1_000
FAMILIES = ("binomial", "gaussian", "poisson")
UNITS = ("patient", "event")


class ChoiceError(InvalidInputError):
    """A form names something that is not offered, or leaves out what is needed."""

    code = "training.choice"
    sentence = msgid("{field} has to be chosen among what all hospitals have.")
    next_step = msgid("Choose one of those that are shown, then look at the cost again.")


class NumberError(InvalidInputError):
    """A field of the form is not a number."""

    code = "training.number"
    sentence = msgid("{field} is not a number.")
    next_step = msgid("Write a number such as 0.5, then look at the cost again.")


class Fields(Protocol):
    """The fields of a form or of an address."""

    def get(self, key: str, default: str, /) -> object:
        """The last value of a name."""
        ...

    def getlist(self, key: str, /) -> Sequence[object]:
        """All of them."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingWishes:
    """What a person chose; texts as they were typed."""

    agreements: tuple[str, ...] = ()
    target: str = ""
    features: tuple[str, ...] = ()
    family: str = ""
    purpose: str = ""
    l2: str = "1.0"
    min_sites: str = ""
    epsilon: str = ""
    persons: str = ""
    unit: str = "patient"
    without_missing: bool = False

    def query(self) -> list[tuple[str, str]]:
        """The fields as an address has them."""
        several = [("agreement", one) for one in self.agreements] + [("feature", one) for one in self.features]
        names = ("target", "family", "purpose", "l2", "min_sites", "epsilon", "persons", "unit")
        alone = [(name, str(getattr(self, name))) for name in names]
        return [*several, *(one for one in alone if one[1]), *([("without_missing", "on")] * self.without_missing)]


def wishes(fields: Fields) -> TrainingWishes:
    """What a form or an address says."""

    def one(name: str, default: str = "") -> str:
        value = fields.get(name, default)
        return value.strip() if isinstance(value, str) else default

    def several(name: str) -> tuple[str, ...]:
        found = [value for value in fields.getlist(name) if isinstance(value, str) and value]
        return tuple(dict.fromkeys(found))[:MOST_FIELDS]

    return TrainingWishes(
        agreements=several("agreement"),
        target=one("target"),
        features=several("feature"),
        family=one("family"),
        purpose=one("purpose"),
        l2=one("l2", "1.0"),
        min_sites=one("min_sites"),
        epsilon=one("epsilon"),
        persons=one("persons"),
        unit=one("unit", "patient"),
        without_missing=one("without_missing") == "on",
    )


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """Something that can be learned: `value` names it in the form, `binary` says whether it is yes or no."""

    value: str
    document: Json
    binary: bool


def targets(choice: JsonObject) -> list[TargetChoice]:
    """What can be learned from what all hospitals have: outcomes that they declare, flags, levels, numbers."""
    found = [TargetChoice(one, one, binary=True) for one in choice["outcomes"]]
    for column in choice["columns"]:
        name = column["name"]
        if column["coded"]:
            levels = [f"{name} = {level}" for level in column["levels"]]
            documents = [{"column": name, "level": level} for level in column["levels"]]
            found += [TargetChoice(value, made, binary=True) for value, made in zip(levels, documents, strict=True)]
        elif column["type"] == "flag" or column.get("binary"):
            found.append(TargetChoice(f"{name} > 0", f"{name} > 0", binary=True))
        elif column["type"] != "date":
            found.append(TargetChoice(name, {"column": name}, binary=False))
    return list({one.value: one for one in reversed(found)}.values())[::-1]


def task_of(wished: TrainingWishes, choice: JsonObject) -> JsonObject:
    """The task document.

    Raises:
        ChoiceError: something is chosen that not all hospitals have.
        NumberError: a field holds no number.
    """
    target = next((one for one in targets(choice) if one.value == wished.target), None)
    columns = {column["name"]: column for column in choice["columns"]}
    if target is None:
        raise ChoiceError(field="target")
    if not wished.features or not all(name in columns for name in wished.features):
        raise ChoiceError(field="features")
    if wished.purpose not in [one["name"] for one in choice["purposes"]]:
        raise ChoiceError(field="purpose")
    task: JsonObject = {
        "task": "glm",
        "family": _family(wished, target),
        "target": target.document,
        "purpose": wished.purpose,
        "l2": _number("l2", wished.l2),
        "features": [_feature(columns[name]) for name in wished.features],
    }
    if wished.min_sites or wished.agreements:
        task["min_sites"] = _whole("min_sites", wished.min_sites or str(len(wished.agreements)))
    return task | _noise(wished)


def _family(wished: TrainingWishes, target: TargetChoice) -> str:
    """A yes or no has one family; numbers have two."""
    if target.binary:
        return "binomial"
    return wished.family if wished.family in ("gaussian", "poisson") else "gaussian"


def _feature(column: Mapping[str, Json]) -> JsonObject:
    if not column["coded"]:
        return {"name": column["name"]}
    return {"name": column["name"], "kind": "coded", "levels": list(column["levels"] or ())}


def _noise(wished: TrainingWishes) -> JsonObject:
    if not wished.epsilon:
        return {}
    said: JsonObject = {"epsilon": _number("epsilon", wished.epsilon)}
    said["unit"] = wished.unit if wished.unit in UNITS else UNITS[0]
    if wished.persons:
        said["persons"] = _whole("persons", wished.persons)
    return {"noise": said}


def _number(field: str, text: str) -> str:
    """A number as the text that a task holds, so that what was typed is what is meant."""
    try:
        return repr(float(text))
    except ValueError:
        raise NumberError(field=field) from None


def _whole(field: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):  # noqa: PLR2004 - no count is longer
        raise NumberError(field=field)
    return int(text)
