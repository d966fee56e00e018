"""JSON of others that can be read in one way only.

RFC 8259 4 leaves open what an object means in which a name stands twice: one program takes the first, another one the
last, and what was checked is then not what was done. Such an object is refused here.
"""

import re
import sys
from contextlib import suppress
from dataclasses import is_dataclass
from typing import TypeVar, overload

import msgspec

from medspace.core.canonical import Json
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

T = TypeVar("T")
# The name of the next member of an object, behind its brace or the comma after the member before.
_KEY = re.compile(rb'[ \t\r\n]*[{,][ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*")[ \t\r\n]*:[ \t\r\n]*')
_END = re.compile(rb"[ \t\r\n]*\{?[ \t\r\n]*\}[ \t\r\n]*")
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')


class MemberTwiceError(msgspec.DecodeError):
    """JSON in which an object names a member twice."""


@overload
def read_json(content: bytes | str) -> Json: ...
@overload
def read_json(content: bytes | str, form: type[T]) -> T: ...


def read_json(content: bytes | str, form: type[T] | None = None) -> T | Json:
    """What a JSON text says; in a form, where one is given.

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
    """What a file that somebody shows says, in its form; `largest` is how many bytes any such file may have.

    Raises:
        InvalidInputError: as `error`, whose sentence takes a reason: it is too large, not JSON, nested too deeply,
            can be read in two ways, or has another form.
    """
    if len(content) > largest:
        raise error(reason=Text(msgid("it is larger than {most} bytes"), {"most": largest}))
    try:
        return read_json(content, form)
    except msgspec.ValidationError as found:
        raise error(reason=str(found)) from None
    except MemberTwiceError:
        raise error(reason=Text(msgid("an object in it names a member twice"))) from None
    except RecursionError:
        raise error(reason=Text(msgid("it is nested too deeply"))) from None
    except UnicodeDecodeError:
        raise error(reason=Text(msgid("it is not UTF-8"))) from None
    except msgspec.DecodeError:
        raise error(reason=Text(msgid("it is not JSON"))) from None


def read_members(content: bytes) -> dict[str, bytes]:
    """The members of an object, each still packed: for what is too large to be decoded at once.

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


def know_forms() -> None:
    """Learn the fields of every form (`msgspec.Struct`, dataclass) of the modules that are loaded, before threads do.

    msgspec learns them when a form is read first, and a second thread that reads one meanwhile gets what is not there
    yet: the process dies (msgspec 0.22).
    """
    # Lists first: other threads may import meanwhile.
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("medspace.")]
    classes = {one for module in modules for one in list(vars(module).values()) if isinstance(one, type)}
    for form in classes:
        if issubclass(form, msgspec.Struct) or is_dataclass(form):
            with suppress(TypeError, NameError):  # it has parts that no JSON has: nobody reads one
                msgspec.json.Decoder(form)
