"""Tables from collections, and what a collection may declare."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Literal, Optional

import pytest

from medspace.adapters.records import KeyType, codec
from medspace.adapters.sql import errors, schema
from medspace.core.errors import StorageError, StorageFullError
from medspace.core.store import Collection


class Role(StrEnum):
    BUYER = "buyer"


class Grade(IntEnum):
    LOW = 1


@dataclass(frozen=True, slots=True)
class Thing:
    id: str
    text: str
    role: Role
    number: int
    grade: Grade
    side: Literal["left", "right"]
    maybe: str | None
    perhaps: Optional[int]  # noqa: UP045 - both ways of writing it
    flag: bool
    share: float
    mixed: str | int
    body: str

    @property
    def first(self) -> str:
        return self.text[:1]


def test_keys_are_typed_by_their_fields():
    keys = ("text", "role", "number", "grade", "side", "maybe", "perhaps", "first")
    assert codec(Collection("things", Thing, keys)).keys == {
        "text": KeyType(str, optional=False),
        "role": KeyType(str, optional=False),
        "number": KeyType(int, optional=False),
        "grade": KeyType(int, optional=False),
        "side": KeyType(str, optional=False),
        "maybe": KeyType(str, optional=True),
        "perhaps": KeyType(int, optional=True),
        "first": KeyType(str, optional=False),
    }


@pytest.mark.parametrize("key", ["flag", "share", "mixed"])
def test_other_types_cannot_be_keys(key):
    with pytest.raises(TypeError, match=f"Thing.{key} cannot be a key"):
        schema.build([Collection("things", Thing, (key,))])


@pytest.mark.parametrize(
    "collection",
    [
        Collection("Things", Thing),
        Collection("drop table", Thing),
        Collection("a" * 41, Thing),
        Collection("things", Thing, ("body",)),
        Collection("things", Thing, ("text",), (("number",),)),
        Collection("log", Thing),
    ],
)
def test_names_are_checked(collection):
    with pytest.raises(ValueError, match="collection"):
        schema.build([collection])


def test_two_collections_cannot_share_a_name():
    with pytest.raises(ValueError, match="taken"):
        schema.build([Collection("things", Thing), Collection("things", Thing, ("text",))])


def test_every_key_has_an_index_and_every_unique_group_a_unique_one():
    table = schema.build([Collection("things", Thing, ("text", "number"), (("text",),))]).tables["things"]
    indexes = {index.name: (index.unique, [column.name for column in index.columns]) for index in table.indexes}
    assert indexes == {"uq_things_text": (True, ["text"]), "ix_things_number": (False, ["number", "id"])}


class RefusalError(Exception):
    def __init__(self, words, sqlstate):
        super().__init__(words)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (RefusalError("could not extend file", "53100"), StorageFullError),
        (RefusalError('could not write to file "pg_wal": No space left on device', "XX000"), StorageFullError),
        (RefusalError("value too long: Ada", "22001"), StorageError),
    ],
)
def test_what_postgres_says_becomes_a_storage_error_without_its_words(refusal, kind):
    error = errors.refused(refusal)
    assert type(error) is kind
    assert "Ada" not in str(error)
