"""What of a document does not fit the form that it should have, as a sentence and with its place.

msgspec finds the first flaw and says it in English; of an entry of a mapping it does not say which one. Here it
becomes a `Misfit` that can be said in any language. No value of the document is quoted: one may be a password.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import inspect

from medspace.core.text import Text, msgid

T = TypeVar("T")
DEEP = msgid("it is nested too deeply")
Path: TypeAlias = tuple[str | int, ...]  # names of members and positions in lists, from the outermost in

_SOME: Final = "[...]"  # msgspec's word for some entry of a mapping
_PLACE = re.compile(r"(?P<said>.*?)(?: - at (?:`key` in )?`\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<at>\d+)\]|\[\.\.\.\]")
_FIELD = re.compile(r"(?:unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
_KIND = re.compile(r"^Expected `(?P<wanted>[^`]+)`, got `(?P<given>[^`]+)`$")
_KINDS: Mapping[str, str] = {
    "int": msgid("a whole number"),
    "float": msgid("a number"),
    "str": msgid("text in quotation marks"),
    "bool": msgid("true or false"),
    "array": msgid("a list in square brackets"),
    "object": msgid("a group of named settings"),
    "null": msgid("nothing"),
    "datetime": msgid("a time"),
    "date": msgid("a date"),
    "time": msgid("a time of day"),
}


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first thing that does not fit: where it is, or should be where it is missing, and what is wrong."""

    path: Path
    reason: Text


class MisfitError(Exception):
    """A document does not fit its form."""

    def __init__(self, misfit: Misfit) -> None:
        super().__init__(str(misfit.reason))
        self.path = misfit.path
        self.reason = misfit.reason


def fit(document: object, form: type[T]) -> T:
    """The document as a value of that form.

    Raises:
        MisfitError: it does not fit.
    """
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        raise MisfitError(_misfit(error, document, form)) from error
    except RecursionError:
        raise MisfitError(Misfit((), Text(DEEP))) from None


def shown(path: Path) -> str:
    """A place as people write it: `assets[0].offers`; of the whole document a dash."""
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return written.removeprefix(".") or "-"


def nearest(name: str, known: Iterator[str] | list[str]) -> str | None:
    """The known name that somebody may have meant, if one is near."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def _misfit(error: msgspec.ValidationError, document: object, form: type) -> Misfit:
    found = re.fullmatch(_PLACE, str(error))
    said, written = (found["said"], found["path"] or "") if found else (str(error), "")
    path = _exact(str(error), document, form, written)
    field = _FIELD.search(said)
    if field is not None:
        inner = (*path, field["name"])
        return Misfit(inner, _unknown(inner, form) if "unknown" in said else _about(msgid("{key} is missing"), inner))
    kind = _KIND.match(said)
    if kind is not None:
        return Misfit(path, _of_another_kind(path, kind["wanted"], kind["given"], document))
    if said.startswith("Invalid enum value"):
        return Misfit(path, _no_choice(path, document, form))
    if said.startswith("Invalid RFC3339"):
        return Misfit(path, _about(msgid("{key} must be a time with its zone, such as 2027-01-01T00:00:00Z"), path))
    return Misfit(path, _about(msgid("{key} does not have the form that is needed here"), path))


def _about(sentence: str, path: Path, **facts: str | Text) -> Text:
    return Text(sentence, {"key": shown(path), **facts})


def _unknown(path: Path, form: type) -> Text:
    near = nearest(str(path[-1]), _members(_type_at(inspect.type_info(form), path[:-1])))
    if near is None:
        return _about(msgid("{key} is not a known setting"), path)
    return _about(msgid("{key} is not a known setting (did you mean {near}?)"), path, near=near)


def _no_choice(path: Path, document: object, form: type) -> Text:
    choices = _choices(_type_at(inspect.type_info(form), path))
    near = nearest(str(_value_at(document, path)), choices)
    if near is None:
        return _about(msgid("{key} must be one of these: {known}"), path, known=", ".join(choices))
    return _about(
        msgid("{key} must be one of these: {known} (did you mean {near}?)"), path, known=", ".join(choices), near=near
    )


def _of_another_kind(path: Path, wanted: str, given: str, document: object) -> Text:
    kinds = [kind for kind in wanted.split(" | ") if kind != "null"] or ["null"]
    named = Text(_KINDS.get(kinds[0], kinds[0]))
    for kind in kinds[1:]:
        named = Text(msgid("{one} or {other}"), {"one": named, "other": Text(_KINDS.get(kind, kind))})
    value = _value_at(document, path)
    if kinds == ["int"] and isinstance(value, float):
        return _about(msgid("{key} must be a whole number, without a point"), path)
    return _about(
        msgid("{key} must be {wanted}; this is {given}"), path, wanted=named, given=Text(_KINDS.get(given, given))
    )


# --- places ---------------------------------------------------------------------------------------------------------
def _exact(said: str, document: object, form: type, written: str) -> Path:
    """The path of a flaw, with the keys that msgspec leaves open: it is the entry that has the same flaw alone."""
    path: list[str | int] = []
    for step in _STEP.finditer(written):
        if step["name"] is not None:
            path.append(step["name"])
        elif step["at"] is not None:
            path.append(int(step["at"]))
        else:
            key = _guilty(said, document, form, tuple(path))
            document = _alone(document, tuple(path), key)
            path.append(key)
    return tuple(path)


def _guilty(said: str, document: object, form: type, path: Path) -> str:
    """The entry of the mapping at that path which has that flaw; of entries that cannot be told apart, the first."""
    entries = list(_value_at(document, path))
    return str(next((key for key in entries if _says(_alone(document, path, key), form) == said), entries[0]))


def _says(document: object, form: type) -> str:
    try:
        msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _alone(document: Any, path: Path, key: object) -> object:  # noqa: ANN401 - a document
    """The document, with one entry only in the mapping at that path."""
    if not path:
        return {key: document[key]}
    copy = document.copy()
    copy[path[0]] = _alone(document[path[0]], path[1:], key)
    return copy


def _value_at(document: Any, path: Path) -> Any:  # noqa: ANN401 - a document, and a part of it
    for step in path:
        document = document[step]
    return document


# --- forms ----------------------------------------------------------------------------------------------------------
def _type_at(kind: inspect.Type, path: Path) -> inspect.Type:
    for step in path:
        kind = next(_below(kind, step), kind)
    return kind


def _below(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        yield from (found for one in kind.types for found in _below(one, step))
    elif isinstance(kind, inspect.StructType | inspect.DataclassType):
        yield from (field.type for field in kind.fields if field.encode_name == step)
    else:
        yield from (getattr(kind, name) for name in ("value_type", "item_type") if hasattr(kind, name))


def _members(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.UnionType):
        return [name for one in kind.types for name in _members(one)]
    return [field.encode_name for field in getattr(kind, "fields", ())]


def _choices(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.UnionType):
        return [choice for one in kind.types for choice in _choices(one)]
    if isinstance(kind, inspect.EnumType):
        return [str(member.value) for member in kind.cls]
    return [str(value) for value in getattr(kind, "values", ())]
