"""By how many persons two contents of a table differ, column by column, computed from keyed sums alone.

Persons are spread over buckets by a keyed mark. Each bucket holds one sum of its persons, and one per column of their
values. A sum that differs stands for at least one person, so counting the buckets that differ never overestimates the
number of persons. The sums have the same size however many persons there are.
"""

import struct
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256

import msgspec

from medspace.core.material import Form, Material

BUCKETS = 1024
WHO = ""  # the name of the sums of persons; no column has this name
_SPREAD = 0x9E3779B97F4A7C15  # odd, far from any pattern: 2^64 / golden ratio
_SUMS = struct.Struct(f">{BUCKETS}Q")
Sums = Mapping[str, Sequence[int]]


def sums_of(rows: Material, key: bytes) -> Sums:
    """The sums of a table: of its persons, and of each column but the persons', independent of row order.

    Where no column names the persons, each distinct row counts as a person, and the columns reveal nothing more.
    Content besides columns, such as an image, counts with the persons, since any question may look at it.
    """
    persons, contents = ([int(mark) for mark in marks] for marks in rows.marks(key))
    made = {WHO: _summed(persons, persons if rows.form is Form.TABLE else contents)}
    for column in rows.dictionary.columns if rows.dictionary.person else ():
        if column.name != rows.dictionary.person:
            values = rows.numbers(column.name) if column.numeric else rows.codes(column.name)
            made[column.name] = _summed(persons, _marked(key, column.name, values))
    return made


def _marked(key: bytes, column: str, values: Iterable[float | str | None]) -> Iterator[int]:
    known: dict[float | str | None, int] = {}
    for value in values:
        said = value if value is None or isinstance(value, str) else float(value)
        said = said if said == said else None  # noqa: PLR0124 - NaN is not itself
        mark = known.get(said)
        if mark is None:
            told = blake2b(f"{column}\n{said!r}".encode(), digest_size=8, key=key[:64]).digest()
            mark = known[said] = int.from_bytes(told)
        yield mark


def _summed(persons: Sequence[int], marks: Iterable[int]) -> Sequence[int]:
    """One sum per bucket, over what each row says of its person; all modulo 2^64."""
    import numpy as np  # noqa: PLC0415 - it is there with the rows, which are opened now

    who, what = np.array(persons, dtype=np.uint64), np.fromiter(marks, dtype=np.uint64)
    spread = np.uint64(_SPREAD)
    sums = np.zeros(BUCKETS, dtype=np.uint64)
    np.add.at(sums, (who % np.uint64(BUCKETS)).astype(np.intp), (who ^ what * spread) * spread + what)
    return [int(one) for one in sums]


def packed(sums: Sums) -> str:
    """The sums as text, the same for the same content; `unpacked` is the inverse."""
    told = {name: b64encode(_SUMS.pack(*sums[name])).decode() for name in sorted(sums)}
    return msgspec.json.encode(told).decode()


def unpacked(text: str) -> Sums:
    """The sums that were packed."""
    told = msgspec.json.decode(text, type=dict[str, str])
    return {name: _SUMS.unpack(b64decode(sums)) for name, sums in told.items()}


def distances(before: Sums, after: Sums) -> Mapping[str, int]:
    """For each name that both have, at least how many persons differ: added, removed, or with another value.

    Where each distinct row counts as a person, a changed row is one removed and one added: two buckets.
    """
    shared = before.keys() & after.keys()
    found = {name: sum(a != b for a, b in zip(before[name], after[name], strict=True)) for name in shared}
    named = min(len(before), len(after)) > 1
    return found if named else {name: (count + 1) // 2 for name, count in found.items()}


@dataclass(frozen=True, slots=True)
class Content:
    """The current rows: their version, and how each version that was asked before differs from it."""

    version: str
    others: Mapping[str, Mapping[str, int]]

    def alike(self, least: int, columns: Callable[[], Collection[str] | None]) -> frozenset[str]:
        """The versions that differ from this one, but by fewer than `least` persons, where a question looks.

        It looks at the set of persons, and at the `columns` (None: at all of them), which are evaluated only if they
        matter.
        """
        few = {
            version: [name for name, count in persons.items() if 0 < count < least]
            for version, persons in self.others.items()
        }
        if not any(few.values()):
            return frozenset()
        looked_at = columns()
        return frozenset(
            version
            for version, names in few.items()
            if any(looked_at is None or name == WHO or name in looked_at for name in names)
        )


def version_of(packed_sums: str) -> str:
    """The name of a content: the digest of its packed sums."""
    return sha256(packed_sums.encode()).hexdigest()[:32]


def compared(sums: Sums, version: str, others: Iterable[tuple[str, str]]) -> Content:
    """The content with these sums compared with others, given as versions and packed sums."""
    return Content(version, {name: distances(unpacked(text), sums) for name, text in others})
