"""Tables: one for each collection, one for the log.

A collection's table has the identity, the body (JSON) and one column for each key. Text sorts by code point in every
database (`COLLATE "C"` on PostgreSQL; SQLite and Python do so anyway), so that a page is the same page everywhere.

The log has one row for each entry. `hashes` holds, one behind the other, the hashes of the complete subtrees that the
entry completed: level 0 (its leaf) up to level k where 2**k is the largest power of two that divides index + 1. So
the subtree (level, index) stands in the row of its last leaf, and a proof is one query.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from medspace.adapters.records import KeyType, codec
from medspace.core.store import Collection

LOG = "log"
HASH_BYTES = 32
KEPT = 8  # databases of one process have the same tables, mostly: these are built once, and their statements compiled
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
# Every integer of SQLite has 64 bits, but only one that is called INTEGER can be the row's own number.
INTEGER: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a database."""

    metadata: MetaData
    log: Table
    tables: Mapping[str, Table]


def build(collections: Iterable[Collection[Any]]) -> Schema:
    """The tables that these collections need, and the log.

    Raises:
        ValueError: two collections share a name, or a name cannot be one.
        TypeError: a key is neither text nor an integer.
    """
    return _built(tuple(collections))


@lru_cache(maxsize=KEPT)
def _built(collections: tuple[Collection[Any], ...]) -> Schema:
    metadata = MetaData()
    log = Table(
        LOG,
        metadata,
        Column("id", INTEGER, primary_key=True, autoincrement=False),
        Column("hashes", LargeBinary, nullable=False),
        Column("entry", LargeBinary, nullable=False),
    )
    tables: dict[str, Table] = {}
    for collection in collections:
        if collection.name in tables or collection.name == LOG:
            raise ValueError(f"collection {collection.name}: the name is taken")
        tables[collection.name] = _table(metadata, collection)
    return Schema(metadata, log, tables)


def _table(metadata: MetaData, collection: Collection[Any]) -> Table:
    keys = codec(collection).keys
    table = Table(
        collection.name,
        metadata,
        Column("id", TEXT, primary_key=True),
        *(Column(name, _type(key), nullable=key.optional) for name, key in keys.items()),
        Column("body", Text, nullable=False),
    )
    for group in collection.unique:
        columns = [table.c[name] for name in group]
        Index(f"uq_{collection.name}_{'_'.join(group)}", *columns, unique=True)
    for name in keys:
        if (name,) not in collection.unique:
            Index(f"ix_{collection.name}_{name}", table.c[name], table.c.id)
    return table


def _type(key: KeyType) -> TypeEngine[Any]:
    return TEXT if key.python is str else INTEGER
