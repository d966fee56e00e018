"""A TOML file changed as its owner wrote it: comments, order and spelling of everything else stay."""

import copy
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

Place = tuple[str | int, ...]  # names of tables and numbers of their entries, such as ("assets", 0, "offered")


class TomlEditError(InvalidInputError):
    """A TOML file is written in a way that cannot be changed without a person."""

    code = "toml.edit"
    sentence = msgid("The file {file} is written in a way that cannot be changed here ({place}).")
    next_step = msgid("Change it by hand, then run `medspace offers reload`.")


def appended(text: str, block: str, file: str = "") -> str:
    """A file with one more block at its end, such as an `[[assets]]`.

    Raises:
        TomlEditError: behind what stands there the block would mean something else, or nothing.
    """
    new = text.rstrip("\n") + "\n\n" + block.strip("\n") + "\n"
    try:
        expected = tomllib.loads(text)
        for name, value in tomllib.loads(block).items():
            expected[name] = [*expected.get(name, []), *value] if isinstance(value, list) else value
        same = tomllib.loads(new) == expected
    except (tomllib.TOMLDecodeError, TypeError):
        same = False
    if not same:
        raise TomlEditError(file=file, place=block.strip().partition("\n")[0])
    return new


def changed(text: str, values: Mapping[Place, Any], file: str = "") -> str:
    """A file with other values at these places; None takes one away. What is read back is what was meant, or refused.

    Raises:
        TomlEditError: there is no such place, or the file cannot be changed there.
    """
    import tomlkit  # noqa: PLC0415 - only who edits needs it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    expected = copy.deepcopy(tomllib.loads(text))
    try:
        document = tomlkit.parse(text)
        for place, value in values.items():
            _put(document, place, value)
            _put(expected, place, value)
        new = tomlkit.dumps(document)
        same = tomllib.loads(new) == expected
    except (KeyError, IndexError, TypeError, TOMLKitError, tomllib.TOMLDecodeError) as error:
        raise TomlEditError(file=file, place=_named(next(iter(values), ()))) from error
    if not same:
        raise TomlEditError(file=file, place=_named(next(iter(values), ())))
    return new


def _put(document: Any, place: Place, value: Any) -> None:  # noqa: ANN401 - a TOML value, read in either way
    *above, last = place
    for step in above:
        document = document[step]
    if value is None:
        document.pop(last, None)
    else:
        document[last] = value


def _named(place: Sequence[str | int]) -> str:
    return ".".join(map(str, place))
