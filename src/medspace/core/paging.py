"""Pages of a collection, newest records first, without gaps or repeats even if two have the same instant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medspace.core.store import Collection, Database, Key, R, Transaction

PAGE = 500  # records that are read at once where all are needed
_MARK = " "  # occurs in no RFC 3339 instant


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended: the instant and the identity of its last record."""

    time: str
    id: str

    def __str__(self) -> str:
        return f"{self.time}{_MARK}{self.id}"


def cursor(text: str) -> Cursor | None:
    """The cursor that a text holds; None for an empty one.

    Raises:
        ValueError: it holds none.
    """
    if not text:
        return None
    time, mark, identity = text.partition(_MARK)
    if not mark or not identity:
        raise ValueError(text)
    return Cursor(time, identity)


async def newest(
    database: Database,
    collection: Collection[R],
    where: Mapping[str, Key],
    after: Cursor | None,
    limit: int,
    by: str = "created",
) -> list[R]:
    """Up to `limit` records with these keys, the newest by the key `by` first, behind where the last page ended."""
    time, identity = (None, None) if after is None else (after.time, after.id)
    return await database.read(
        lambda tx: tx.find(
            collection, where=where, order_by=by, after=time, after_id=identity, descending=True, limit=limit
        )
    )


def each(
    tx: Transaction, collection: Collection[R], where: Mapping[str, Key], by: str = "id", *, descending: bool = False
) -> Iterator[R]:
    """All records with these keys, in the order of the key `by`, which is never None; read page by page.

    For what is decided from all of them: no number of records makes it another decision.
    """
    after: Key = None
    identity = None
    while True:
        page = tx.find(
            collection,
            where=where,
            order_by=by,
            after=after,
            after_id=identity,
            descending=descending,
            limit=PAGE,
        )
        yield from page
        if len(page) < PAGE:
            return
        after, identity = getattr(page[-1], by), page[-1].id
