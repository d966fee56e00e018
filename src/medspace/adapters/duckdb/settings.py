"""What a person says of the columns of a file: `glucose=number`, `visit.century=1930`, `age.missing=9999,-`."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from medspace.core import units
from medspace.core.dictionary import NUMBER, Column, ColumnType, DictionaryError, check_column
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.core.writing import NUMBERS, PADDED, PERCENT, date_writing, is_day, is_number_writing, number_pattern
from medspace.privacy.publication import LEAST

KEYS = ("type", "written", "century", "limits", "missing", "unit", "description", "minimum", "maximum")
MOST_NAMES = 50  # columns that are named, where one that is not there was meant
TYPES = tuple(kind.value for kind in ColumnType)
_NO_SHORT_YEARS = msgid("a century is that of two-digit years; say how the days are written too, such as {option}")
_NO_CENTURY = msgid("its years have two digits; say in which year their century begins too, such as {option}")


class SettingError(InvalidInputError):
    """What was said of a column cannot be."""

    code = "draft.setting"
    sentence = msgid("--set {setting} cannot be used: {reason}.")
    next_step = msgid(
        "Write --set COLUMN=TYPE, where TYPE is one of {types}; or --set COLUMN.KEY=VALUE, where KEY is one of "
        "{keys}. Nothing was written."
    )

    def __init__(self, setting: str, reason: Text | str) -> None:
        super().__init__(setting=setting, reason=reason, types=", ".join(TYPES), keys=", ".join(KEYS))


class OptionError(InvalidInputError):
    """What was said of a file cannot be."""

    code = "draft.option"
    sentence = msgid("{option} {value} cannot be used: {reason}.")
    next_step = msgid("Correct it, or leave it out; nothing was written.")


def check_option(option: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that is none of those that are known.

    Raises:
        OptionError: it is none.
    """
    if value not in known:
        reason = Text(msgid("it is none of {known}"), {"known": ", ".join(known)})
        raise OptionError(option=option, value=value, reason=reason)


@dataclass(frozen=True, slots=True)
class DraftOptions:
    """What a person said of a file: nothing of it, but for the persons, must be said.

    Nothing that fewer than `least` persons have is in a draft. `settings` are texts such as `age=integer`,
    `leave_out_rows` kinds of rows or their numbers. `password` is the file of the password that a server wants.
    """

    person: str = ""
    rows_are_persons: bool = False
    table: str = ""
    encoding: str = ""
    delimiter: str = ""
    skip_lines: int | None = None
    names: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    leave_out_rows: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    least: int = LEAST
    password: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was said, by columns: keys with their values as texts."""

    said: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, column: str) -> Mapping[str, str]:
        """What was said of one column."""
        return self.said.get(column, {})


def settings_of(texts: Iterable[str], names: Sequence[str]) -> Settings:
    """The settings for the columns of that names.

    Raises:
        SettingError: a text names no column, or no key.
    """
    said: dict[str, dict[str, str]] = {}
    for text in texts:
        column, key, value = _split(text, names)
        said.setdefault(column, {})[key] = value
    return Settings(said)


def _split(text: str, names: Sequence[str]) -> tuple[str, str, str]:
    if "=" not in text:
        raise SettingError(text, Text(msgid("it has no equals sign")))
    for name in sorted(names, key=len, reverse=True):  # a name may hold dots and equals signs
        if name and text.startswith(f"{name}="):
            return name, "type", text[len(name) + 1 :]
        for key in KEYS:
            if name and text.startswith(f"{name}.{key}="):
                return name, key, text[len(name) + len(key) + 2 :]
    raise SettingError(text, _unknown(text, names))


def _unknown(text: str, names: Sequence[str]) -> Text:
    """Why a setting is about no column: it has a key that nobody knows, or the name of none."""
    named = text.partition("=")[0]
    for name in sorted(names, key=len, reverse=True):
        if name and named.startswith(f"{name}."):
            return Text(msgid("{column} has no key {key}"), {"column": name, "key": named[len(name) + 1 :]})
    there = ", ".join(filter(None, names[:MOST_NAMES])) + (", …" if len(names) > MOST_NAMES else "")
    return Text(msgid("the file has no such column, but these: {there}"), {"there": there})


def applied(column: Column, said: Mapping[str, str], forms: Sequence[str] = ()) -> Column:
    """The column as it was said to be; in `forms` its days may be written.

    Raises:
        SettingError: it cannot be so; it names the setting that is wrong.
    """
    if not said:
        return column
    for key, value in said.items():
        _check_value(column, said, key, value)
    made = _with(column, said)
    check_century(column.name, said, made.written if made.type is ColumnType.DATE else "", forms)
    reason = _flaw(made)
    if reason is not None:
        last_first = list(reversed(list(said)))
        wrong = next((key for key in last_first if _flaw(_with(column, _without(said, key))) is None), last_first[0])
        raise SettingError(_setting(column, wrong, said[wrong]), reason)
    return made


def check_century(name: str, said: Mapping[str, str], written: str, forms: Sequence[str]) -> None:
    """Refuse a century without days that need one, and such days without a century; each names the other.

    Raises:
        SettingError: one is lacking; `written` is how the days are written, or "", and `forms` how they may be.
    """
    writing = date_writing(written)
    short = writing is not None and writing.short
    if "century" in said and not short:
        other, reason = ("written", forms[0] if forms else "DD.MM.YY"), _NO_SHORT_YEARS
    elif short and "written" in said and "century" not in said:
        other, reason = ("century", "1930"), _NO_CENTURY
    else:
        return
    wrong = "century" if "century" in said else "written"
    step = f"--set {shlex.quote(f'{name}.{other[0]}={other[1]}')}"
    raise SettingError(f"{name}.{wrong}={said[wrong]}", Text(reason, {"option": step}))


def _marks(said: str, written: str) -> tuple[str, ...]:
    """The marks of missing values: between commas, or between semicolons where numbers have a decimal comma."""
    if is_number_writing(written) and NUMBERS[written.removesuffix(PERCENT)][1] == ",":
        parts = said.split(";") if ";" in said or re.fullmatch(number_pattern(written), said) else said.split(",")
    else:
        parts = said.split(",")
    return tuple(mark for mark in parts if mark)


def _without(said: Mapping[str, str], key: str) -> Mapping[str, str]:
    return {other: value for other, value in said.items() if other != key}


def _flaw(column: Column) -> Text | None:
    """Why a column cannot be as it is described."""
    try:
        check_column(column)
    except DictionaryError as error:
        return Text("{reason}", {"reason": error.facts["reason"]})
    return None


def _setting(column: Column, key: str, value: str) -> str:
    return f"{column.name}{'' if key == 'type' else '.' + key}={value}"


def _check_value(column: Column, said: Mapping[str, str], key: str, value: str) -> None:
    """Refuse a value that is of another kind than its key.

    Raises:
        SettingError: it is one.
    """
    kind = ColumnType(said["type"]) if said.get("type") in TYPES else column.type
    if key == "type" and value not in TYPES:
        reason = Text(msgid("{value} is none of the types {types}"), {"value": value, "types": ", ".join(TYPES)})
    elif key == "century" and not (value.isascii() and value.isdecimal()):
        reason = Text(msgid("it is not the year in which a century begins, such as 1930"))
    elif key in ("minimum", "maximum") and kind is ColumnType.DATE and not is_day(value):
        reason = Text(msgid("it is not a day, such as 2026-01-31"))
    elif key in ("minimum", "maximum") and kind is not ColumnType.DATE and not _is_number(value):
        reason = Text(msgid("it is not a number, such as 130"))
    elif key == "unit" and (odd := units.oddity(value)) is not None:
        reason = odd
    else:
        return
    raise SettingError(_setting(column, key, value), reason)


def _is_number(value: str) -> bool:
    return re.fullmatch(NUMBER, value) is not None


def _with(column: Column, said: Mapping[str, str]) -> Column:
    if "type" in said:
        column = _typed(column, ColumnType(said["type"]))
    changes: dict[str, Any] = {key: said[key] for key in ("written", "limits", "description") if key in said}
    if "unit" in said:
        changes["unit"] = units.written(said["unit"])
    if "written" in said and "type" not in said and not column.numeric and column.type is not ColumnType.DATE:
        changes["type"] = ColumnType.DATE if "D" in said["written"] else ColumnType.NUMBER
    if "century" in said:
        changes["century"] = int(said["century"])
    if "missing" in said:
        changes["missing"] = _marks(said["missing"], str(changes.get("written", column.written)))
    for bound in ("minimum", "maximum"):
        if bound in said:
            changes[bound] = _bound(column, said[bound])
    return replace(column, **changes)


def _typed(column: Column, kind: ColumnType) -> Column:
    """The column with another type; how its cells are written is kept where cells of this type can be so."""
    if kind is column.type or (column.numeric and kind in (ColumnType.NUMBER, ColumnType.INTEGER)):
        return replace(column, type=kind)
    written = column.written if column.written == PADDED else ""
    return replace(column, type=kind, unit="", limits="", written=written, century=None)


def _bound(column: Column, value: str) -> float | date:
    return date.fromisoformat(value) if column.type is ColumnType.DATE else float(value)
