"""JSON of others that can be read in one way only.

RFC 8259 4 does not define what an object means if a name occurs twice: one program takes the first, another the
last, and what was checked is then not what was done. Such an object is refused here.
"""

import codecs
import math
import re
import sys
from contextlib import suppress
from dataclasses import is_dataclass
from typing import TypeVar, overload

import msgspec

from medspace.core.canonical import Json
from medspace.core.errors import InvalidInputError
from medspace.core.misfits import DEEP, Misfit, MisfitError, Path, fit, shown
from medspace.core.text import Text, msgid

T = TypeVar("T")
# The name of the next member of an object, behind its brace or the comma after the member before.
_KEY = re.compile(rb'[ \t\r\n]*[{,][ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*')
_END = re.compile(rb"[ \t\r\n]*\{?[ \t\r\n]*\}[ \t\r\n]*")
_BYTE = re.compile(r"\(byte (\d+)\)")  # where, as msgspec says it
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


class MemberTwiceError(msgspec.DecodeError):
    """JSON in which an object names a member twice."""


@overload
def read_json(content: bytes | str) -> Json: ...
@overload
def read_json(content: bytes | str, form: type[T]) -> T: ...


def read_json(content: bytes | str, form: type[T] | None = None) -> T | Json:
    """The value of a JSON text, in the given form if any.

    Raises:
        msgspec.DecodeError: it is not JSON, an object in it names a member twice, or it has another form.
        RecursionError: it is deeper than the decoder goes.
        UnicodeDecodeError: it is not UTF-8.
    """
    value = msgspec.json.decode(content)
    raw = content.encode() if isinstance(content, str) else content
    # In valid JSON there is one colon for each member, beside those in texts.
    if _TEXT.sub(b"", raw).count(b":") != _members(value):
        raise MemberTwiceError("an object names a member twice")
    return value if form is None else msgspec.convert(value, form)


def read_file(content: bytes, form: type[T], largest: int, error: type[InvalidInputError]) -> T:
    """The content of a file from somebody else, in its form; such a file may have at most `largest` bytes.

    Raises:
        InvalidInputError: as `error`, whose sentence takes a reason: it is too large, not JSON, nested too deeply,
            can be read in two ways, or has another form.
    """
    if len(content) > largest:
        raise error(reason=Text(msgid("it is larger than {most} bytes"), {"most": largest}))
    try:
        return fit(read_json(content), form)
    except MisfitError as found:
        raise error(reason=found.reason) from None
    except MemberTwiceError:
        raise error(reason=Text(msgid("an object in it names a member twice"))) from None
    except RecursionError:
        raise error(reason=Text(msgid("it is nested too deeply"))) from None
    except UnicodeDecodeError:
        raise error(reason=Text(msgid("it is not UTF-8"))) from None
    except msgspec.DecodeError:
        raise error(reason=Text(msgid("it is not JSON"))) from None


def json_of(content: bytes) -> Json:
    """What a JSON file that a person wrote says.

    Raises:
        MisfitError: it is not UTF-8, not JSON, nested too deeply, or has a member twice.
    """
    try:
        return read_json(content.removeprefix(codecs.BOM_UTF8))
    except UnicodeDecodeError as error:
        raise MisfitError(
            _at(content, error.start, Text(msgid("this is not UTF-8 text; save the file in UTF-8")))
        ) from None
    except RecursionError:
        raise MisfitError(Misfit((), Text(DEEP))) from None
    except MemberTwiceError:
        raise MisfitError(Misfit((), Text(msgid("an object in it names a member twice")))) from None
    except msgspec.DecodeError as error:
        found = _BYTE.search(str(error))
        at = int(found[1]) if found else len(content)
        raise MisfitError(_at(content, at, Text(msgid("this is not JSON")))) from None


def _at(content: bytes, at: int, reason: Text) -> Misfit:
    line = content.count(b"\n", 0, at) + 1
    return Misfit((), Text(msgid("line {line}: {reason}"), {"line": line, "reason": reason}))


def check_sayable(document: object) -> None:
    """Refuse what JSON cannot say (RFC 8259): dates, and numbers that are not finite.

    Raises:
        MisfitError: there is such a value.
    """
    left: list[tuple[Path, object]] = [((), document)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left += [((*path, str(name)), one) for name, one in value.items()]
        elif isinstance(value, list):
            left += [((*path, at), one) for at, one in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise MisfitError(Misfit(path, Text(msgid("{key} must be a finite number"), {"key": shown(path)})))
        elif not isinstance(value, str | int | float | None):
            reason = msgid("{key} is a date or a time: put it in quotation marks")
            raise MisfitError(Misfit(path, Text(reason, {"key": shown(path)})))


def read_members(content: bytes) -> dict[str, bytes]:
    """The members of an object, each still encoded: for what is too large to be decoded at once.

    Raises:
        msgspec.DecodeError: it is not a JSON object, or it names a member twice; within a member only the
            syntax was looked at.
        RecursionError, UnicodeDecodeError: as for `read_json`.
    """
    found = {name: bytes(value) for name, value in msgspec.json.decode(content, type=dict[str, msgspec.Raw]).items()}
    at, seen = 0, set[str]()
    while (key := _KEY.match(content, at)) is not None:
        name = msgspec.json.decode(key[1], type=str)
        if name in seen or not content.startswith(found[name], key.end()):
            raise MemberTwiceError("an object names a member twice")
        seen.add(name)
        at = key.end() + len(found[name])
    if not _END.fullmatch(content, at):  # a value that only begins like the last one of its name
        raise MemberTwiceError("an object names a member twice")
    return found


def _members(value: Json) -> int:
    """How many members the objects in a value have."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return 0
    within = value.values() if kind is dict else value
    found = sum(_members(item) for item in within if type(item) is dict or type(item) is list)
    return found + len(value) if kind is dict else found


_LEARNED: set[type] = set()


def know_forms() -> None:
    """Learn the fields of every form (`msgspec.Struct`, dataclass) of the modules that are loaded, before threads do.

    msgspec learns them when a form is first read, and a second thread that reads one meanwhile finds it half-built:
    the process crashes (msgspec 0.22).
    """
    # Lists first: other threads may import meanwhile.
    modules = [module for name, module in sys.modules.copy().items() if name.startswith("medspace.")]
    classes = {one for module in modules for one in list(vars(module).values()) if isinstance(one, type)}
    for form in classes.difference(_LEARNED):
        if issubclass(form, msgspec.Struct) or is_dataclass(form):
            with suppress(TypeError, NameError):  # it has fields that JSON cannot hold: it is never decoded
                msgspec.json.Decoder(form)
    _LEARNED.update(classes)
