"""How every database adapter writes a record: its JSON body, and the keys by which it is found.

A body is deterministic (members sorted), so that compare-and-swap is a comparison of text. It is read back before it
is stored: a record that could not be read again is refused at once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Generic, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from medspace.core.errors import StorageError
from medspace.core.store import Collection, Key, R
from medspace.core.text import Text, msgid

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = frozenset({"id", "body"})
_LARGEST = 2**63 - 1
_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class KeyType:
    """What a key holds: text or integers, and whether it may be None."""

    python: type[str] | type[int]
    optional: bool


@dataclass(frozen=True, slots=True)
class Codec(Generic[R]):
    """Writes and reads the records of one collection."""

    collection: Collection[R]
    keys: Mapping[str, KeyType]
    decoder: "msgspec.json.Decoder[R]"

    def encode(self, record: R) -> str:
        """The body of a record.

        Raises:
            StorageError: the record could not be read back, for instance because a number in it is not finite.
        """
        return self.written(record)[0]

    def written(self, record: R) -> tuple[str, R]:
        """The body of a record, and the record as it will be read back.

        Raises:
            StorageError: as for `encode`.
        """
        try:
            body = _encoder.encode(record)
            return body.decode(), self.decoder.decode(body)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise _unwritable(self.collection.name) from error

    def seen(self, record: R) -> str | None:
        """The body that must be stored if `record` was once read; None if it never can have been."""
        try:
            return self.encode(record) if storable(record.id) else None
        except StorageError:
            return None

    def decode(self, body: str) -> R:
        """The record of a body.

        Raises:
            StorageError: the body is not a record of this type (the database was changed by something else).
        """
        try:
            return self.decoder.decode(body)
        except msgspec.MsgspecError as error:
            reason = msgid("a record of {collection} cannot be read")
            raise StorageError(reason=Text(reason, {"collection": self.collection.name})) from error

    def row(self, record: R) -> dict[str, Key]:
        """The identity and the keys of a record.

        Raises:
            StorageError: one of them is no text or integer that every database can hold.
        """
        row = {name: plain(getattr(record, name)) for name in ("id", *self.keys)}
        if not all(map(storable, row.values())):
            raise _unwritable(self.collection.name)
        return row

    def clashes(self, row: Mapping[str, Key]) -> list[dict[str, Key]]:
        """The groups of unique keys of a row that can clash with another row's (None never does)."""
        groups = ({key: row[key] for key in group} for group in self.collection.unique)
        return [group for group in groups if None not in group.values()]


@lru_cache(maxsize=1024)
def codec(collection: Collection[R]) -> Codec[R]:
    """The codec of a collection.

    Raises:
        ValueError: a name is no lower-case identifier of at most 40 characters, or taken.
        TypeError: a key is neither text nor an integer.
    """
    names = [collection.name, *collection.keys]
    bad = [name for name in names if not _NAME.fullmatch(name)] + [name for name in collection.keys if name in _TAKEN]
    loose = [name for group in collection.unique for name in group if name not in collection.keys]
    if bad or loose:
        raise ValueError(f"collection {collection.name}: {', '.join(bad + loose)} cannot be the name of a key")
    keys = {name: _key_type(collection.record, name) for name in collection.keys}
    return Codec(collection, keys, msgspec.json.Decoder(collection.record))


def plain(key: Key) -> Key:
    """A key without its enum: drivers disagree on how to write enums."""
    return str.__str__(key) if isinstance(key, str) else key


def read_only() -> StorageError:
    """The error of a view that tries to change something."""
    return StorageError(reason=msgid("a view is read-only"))


def storable(key: Key) -> bool:
    """Whether every database can store a key: no NUL, no lone surrogate, no integer beyond 64 bits."""
    if isinstance(key, str):
        return "\0" not in key and _encodable(key)
    return key is None or abs(key) <= _LARGEST


def known(collection: Collection[R], names: Iterable[str]) -> None:
    """Check the names of keys that a search uses.

    Raises:
        ValueError: the collection has no such key.
    """
    unknown = [name for name in names if name != "id" and name not in collection.keys]
    if unknown:
        raise ValueError(f"collection {collection.name}: no key {', '.join(unknown)}")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key_type(record: type, name: str) -> KeyType:
    kinds = _kinds(_annotation(record, name))
    plain_kinds = kinds - {NoneType}
    for python in (str, int):
        if plain_kinds and bool not in plain_kinds and all(issubclass(kind, python) for kind in plain_kinds):
            return KeyType(python, optional=NoneType in kinds)
    raise TypeError(f"{record.__name__}.{name} cannot be a key: it is neither text nor an integer")


def _annotation(record: type, name: str) -> object:
    member = getattr(record, name, None)
    if isinstance(member, property) and member.fget is not None:
        return get_type_hints(member.fget)["return"]
    return get_type_hints(record)[name]


def _kinds(annotation: object) -> set[type]:
    if get_origin(annotation) in {Union, UnionType}:
        return {kind for part in get_args(annotation) for kind in _kinds(part)}
    if get_origin(annotation) is Literal:
        return {type(value) for value in get_args(annotation)}
    return {annotation} if isinstance(annotation, type) else {object}


def _unwritable(collection: str) -> StorageError:
    return StorageError(reason=Text(msgid("a record of {collection} cannot be stored"), {"collection": collection}))
