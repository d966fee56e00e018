"""A training task made of what a person chose in a form, and no column but those that were offered."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

MOST_FIELDS = 1_000
UNITS = ("patient", "event")
KINDS = ("glm", "cox", "net")
PENALTIES = {"glm": "1.0", "cox": "0", "net": "0"}  # as long as nobody says another one
STRATEGIES = ("fedavg", "fedprox", "fedadam", "fedyogi", "fedadagrad", "scaffold", "cyclic")
FEWEST_CLASSES, MOST_CLASSES = 3, 20  # of a net; its module is not read for a form
HOLDOUTS = ("0", "0.1", "0.2", "0.3", "0.4", "0.5")
NUMERIC = ("number", "integer")
NONE = ("", "0")
EQUAL = ("sensitivity", "specificity", "positives")


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

    kind: str = "glm"
    agreements: tuple[str, ...] = ()
    target: str = ""
    features: tuple[str, ...] = ()
    family: str = ""
    purpose: str = ""
    l2: str = ""
    min_sites: str = ""
    holdout: str = "0"
    # glm
    epsilon: str = ""
    persons: str = ""
    unit: str = "patient"
    judge: bool = False
    groups: tuple[str, ...] = ()
    band_columns: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    thresholds: str = ""
    least: str = ""
    mitigate: str = ""
    reweighing: bool = False
    fairness: str = ""
    equal: str = ""
    kept_out: str = "0.2"
    # cox
    time: str = ""
    entry: str = ""
    robust: bool = False
    grid: str = ""
    # net
    layers: str = ""
    ordinal: bool = False
    strategy: str = "fedavg"
    cycle: str = ""
    search_rate: str = ""
    search_l2: str = ""
    search_rounds: str = "4"
    rate: str = "0.05"
    epochs: str = "1"
    rounds: str = "32"
    validation: str = "0"
    patience: str = "0"
    seed: str = "0"
    without_missing: bool = False

    def query(self) -> list[tuple[str, str]]:
        """The fields as an address has them."""
        said: list[tuple[str, str]] = []
        for field in fields(self):
            name, value = NAMES.get(field.name, field.name), getattr(self, field.name)
            if isinstance(value, tuple):
                said += [(name, one) for one in value]
            elif value:
                said.append((name, "on" if value is True else value))
        return said


# What a form calls a field that may be there several times.
NAMES = {"agreements": "agreement", "features": "feature", "groups": "group", "band_columns": "band_column"}
_PAIRED = ("band_columns", "bands")  # row by row: an empty one keeps its place


def wishes(form: Fields) -> TrainingWishes:
    """What a form or an address says."""
    said: dict[str, Any] = {}
    for field in fields(TrainingWishes):
        name, default = NAMES.get(field.name, field.name), field.default
        if isinstance(default, tuple):
            found = [one for one in form.getlist(name) if isinstance(one, str) and (one or field.name in _PAIRED)]
            said[field.name] = tuple(found if field.name in _PAIRED else dict.fromkeys(found))[:MOST_FIELDS]
        elif isinstance(default, bool):
            said[field.name] = form.get(name, "") == "on"
        else:
            value = form.get(name, str(default))
            said[field.name] = value.strip() if isinstance(value, str) else default
    return TrainingWishes(**said)


@dataclass(frozen=True, slots=True)
class TargetChoice:
    """Something that can be learned: `value` names it in the form, `binary` says whether it is yes or no.

    `classes` are the codes of a column of which one is learned.
    """

    value: str
    document: Json
    binary: bool
    classes: tuple[str, ...] = ()


def targets(choice: JsonObject, kind: str = "glm") -> list[TargetChoice]:
    """What can be learned from what all hospitals have: outcomes that they declare, flags, levels, numbers, classes.

    Of survival the events, of nets yes or no and classes.
    """
    found = [TargetChoice(one, one, binary=True) for one in choice["outcomes"]]
    for column in choice["columns"]:
        found += _targets(column)
    offered = {one.value: one for one in reversed(found)}.values()
    return [one for one in reversed(offered) if one.binary or (kind == "net" if one.classes else kind == "glm")]


def _targets(column: Mapping[str, Any]) -> Iterator[TargetChoice]:
    name = column["name"]
    if column["coded"]:
        for level in column["levels"]:
            yield TargetChoice(f"{name} = {level}", {"column": name, "level": level}, binary=True)
        if FEWEST_CLASSES <= len(column["levels"]) <= MOST_CLASSES:
            yield TargetChoice(f"{name} = ?", name, binary=False, classes=tuple(column["levels"]))
    elif column["type"] == "flag" or column.get("binary"):
        yield TargetChoice(f"{name} > 0", f"{name} > 0", binary=True)
    elif column["type"] != "date":
        yield TargetChoice(name, {"column": name}, binary=False)


def numbers(choice: JsonObject) -> list[str]:
    """The columns of numbers, which times and bands can be of."""
    return [one["name"] for one in choice["columns"] if not one["coded"] and one["type"] in NUMERIC]


def task_of(wished: TrainingWishes, choice: JsonObject) -> JsonObject:
    """The task document.

    Raises:
        ChoiceError: something is chosen that not all hospitals have.
        NumberError: a field holds no number.
    """
    kind = wished.kind if wished.kind in KINDS else KINDS[0]
    target = next((one for one in targets(choice, kind) if one.value == wished.target), None)
    columns = {column["name"]: column for column in choice["columns"]}
    if target is None:
        raise ChoiceError(field="target")
    if not wished.features or not all(name in columns for name in wished.features):
        raise ChoiceError(field="features")
    if wished.purpose not in [one["name"] for one in choice["purposes"]]:
        raise ChoiceError(field="purpose")
    task: JsonObject = {
        "task": kind,
        "purpose": wished.purpose,
        "l2": _number("l2", wished.l2 or PENALTIES[kind]),
        "features": [_feature(columns[name]) for name in wished.features],
    }
    if wished.min_sites or wished.agreements:
        task["min_sites"] = _whole("min_sites", wished.min_sites or str(len(wished.agreements)))
    return task | _OWN[kind](wished, target, choice)


def _glm(wished: TrainingWishes, target: TargetChoice, choice: JsonObject) -> JsonObject:
    own = {"family": _family(wished, target), "target": target.document}
    return own | _evaluation(wished) | _noise(wished) | _judged(wished, choice)


def _cox(wished: TrainingWishes, target: TargetChoice, choice: JsonObject) -> JsonObject:
    own: JsonObject = {"event": target.document}
    for name, needed in (("time", True), ("entry", False)):
        column = getattr(wished, name)
        if column and column in numbers(choice):
            own[name] = column
        elif column or needed:
            raise ChoiceError(field=name)
    if wished.robust:
        own["errors"] = "robust"
    if wished.grid:
        own["grid"] = [_number("grid", one) for one in _listed(wished.grid)]
    return own | ({} if wished.holdout in NONE else {"holdout": _number("holdout", wished.holdout)})


def _net(wished: TrainingWishes, target: TargetChoice, choice: JsonObject) -> JsonObject:
    own: JsonObject = {
        "target": target.document,
        "layers": [_whole("layers", one) for one in _listed(wished.layers)],
        "strategy": wished.strategy if wished.strategy in STRATEGIES else STRATEGIES[0],
        "rate": _number("rate", wished.rate),
        "epochs": _whole("epochs", wished.epochs),
        "max_rounds": _whole("rounds", wished.rounds),
        "validation": _number("validation", wished.validation),
        "patience": _whole("patience", wished.patience),
        "seed": _whole("seed", wished.seed),
    }
    if own["strategy"] == "cyclic":
        own["cycle"] = _listed(wished.cycle)
    tried = {"rate": wished.search_rate, "l2": wished.search_l2}
    values: JsonObject = {name: [_number(name, one) for one in _listed(text)] for name, text in tried.items() if text}
    if values:
        own["search"] = values | {"rounds": _whole("search_rounds", wished.search_rounds)}
    if target.classes:
        own |= {"classes": list(target.classes), "ordinal": wished.ordinal}
    return own | _evaluation(wished) | _judged(wished, choice)


_OWN: Mapping[str, Callable[[TrainingWishes, TargetChoice, JsonObject], JsonObject]] = {
    "glm": _glm,
    "cox": _cox,
    "net": _net,
}


def _family(wished: TrainingWishes, target: TargetChoice) -> str:
    """A yes or no has one family; numbers have two."""
    if target.binary:
        return "binomial"
    return wished.family if wished.family in ("gaussian", "poisson") else "gaussian"


def _evaluation(wished: TrainingWishes) -> JsonObject:
    return {} if wished.holdout in NONE else {"evaluation": {"holdout": _number("holdout", wished.holdout)}}


def _judged(wished: TrainingWishes, choice: JsonObject) -> JsonObject:
    """For whom a model is measured, and what is done so that it is fairer to them."""
    if not wished.judge:
        return {}
    judge = _judge(wished, choice)
    if not wished.mitigate:
        return {"judge": judge}
    if wished.mitigate not in [one["column"] for one in judge["groups"]]:
        raise ChoiceError(field="mitigate")
    done: JsonObject = {"column": wished.mitigate, "reweighing": wished.reweighing}
    if wished.fairness not in NONE:
        done["penalty"] = _number("fairness", wished.fairness)
    if wished.equal in EQUAL:
        done["equal"] = wished.equal
        if wished.kind != "net":  # which chooses them on the patients that it sets apart anyway
            done["validation"] = _number("kept_out", wished.kept_out)
    return {"judge": judge, "mitigate": done}


def _judge(wished: TrainingWishes, choice: JsonObject) -> JsonObject:
    """For whom a model is measured: columns by their codes, numbers in bands; at which thresholds."""
    coded = {one["name"]: list(one["levels"]) for one in choice["columns"] if one["coded"]}
    if not all(name in coded for name in wished.groups):
        raise ChoiceError(field="group")
    groups: list[JsonObject] = [{"column": name, "codes": coded[name]} for name in wished.groups]
    for column, bounds in zip(wished.band_columns, wished.bands, strict=False):
        if column and column not in numbers(choice):
            raise ChoiceError(field="band_column")
        if column:
            groups.append({"column": column, "bands": [_number("bands", one) for one in _listed(bounds)]})
    judge: JsonObject = {"groups": groups}
    if wished.thresholds:
        judge["thresholds"] = [_number("thresholds", one) for one in _listed(wished.thresholds)]
    return judge | ({"least": _whole("least", wished.least)} if wished.least else {})


def _listed(text: str) -> list[str]:
    """What stands in a list with commas, of either width."""
    return [one.strip() for one in re.split("[,，、;；]", text) if one.strip()][:MOST_FIELDS]


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
