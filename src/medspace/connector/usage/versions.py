"""How many persons tell two contents of a table apart, column by column, told by keyed sums alone.

Persons are spread over buckets by their mark. Each bucket holds one sum of who is in it, and one for each column of
what its persons have there. A sum that differs stands for one person at least, so counting the buckets that differ
never finds more persons than there are. The sums have the same size however many persons there are.
"""

import struct
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256

import msgspec

from medspace.core.material import Form, Material

BUCKETS = 1024
WHO = ""  # the name of the sums of persons; no column has it
_SPREAD = 0x9E3779B97F4A7C15  # odd, far from any pattern: 2^64 / golden ratio
_SUMS = struct.Struct(f">{BUCKETS}Q")
Sums = Mapping[str, Sequence[int]]


def sums_of(rows: Material, key: bytes) -> Sums:
    """The sums of a table: of who is in it, and of each column but that of the persons, whatever the rows' order.

    Where no column names the persons, a row is a person by all that it says: the columns tell nothing more. What is
    more than its columns, such as an image, counts as who is in it: whatever is asked may look at that.
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
    """One sum for each bucket, of what each row says of its person; all modulo 2^64."""
    import numpy as np  # noqa: PLC0415 - it is there with the rows, which are opened now

    who, what = np.array(persons, dtype=np.uint64), np.fromiter(marks, dtype=np.uint64)
    spread = np.uint64(_SPREAD)
    sums = np.zeros(BUCKETS, dtype=np.uint64)
    np.add.at(sums, (who % np.uint64(BUCKETS)).astype(np.intp), (who ^ what * spread) * spread + what)
    return [int(one) for one in sums]


def packed(sums: Sums) -> str:
    """The sums as text, the same for the same content; `unpacked` gives them back."""
    told = {name: b64encode(_SUMS.pack(*sums[name])).decode() for name in sorted(sums)}
    return msgspec.json.encode(told).decode()


def unpacked(text: str) -> Sums:
    """The sums that were packed."""
    told = msgspec.json.decode(text, type=dict[str, str])
    return {name: _SUMS.unpack(b64decode(sums)) for name, sums in told.items()}


def distances(before: Sums, after: Sums) -> Mapping[str, int]:
    """For each name that both have, how many persons differ at least: who came or went, or has another value.

    Where a row is a person by what it says, one that changed has gone and come: two buckets.
    """
    shared = before.keys() & after.keys()
    found = {name: sum(a != b for a, b in zip(before[name], after[name], strict=True)) for name in shared}
    named = min(len(before), len(after)) > 1
    return found if named else {name: (count + 1) // 2 for name, count in found.items()}


@dataclass(frozen=True, slots=True)
class Content:
    """The rows as they are now: their version, and what tells each version that was asked before from it."""

    version: str
    others: Mapping[str, Mapping[str, int]]

    def alike(self, least: int, columns: Collection[str] | None) -> frozenset[str]:
        """The versions that fewer than `least` persons tell from this one, but some, where a question looks.

        It looks at who is in the table, and at these columns; None: at all of them.
        """
        return frozenset(
            version
            for version, persons in self.others.items()
            if any(
                0 < count < least
                for name, count in persons.items()
                if columns is None or name == WHO or name in columns
            )
        )


def version_of(packed_sums: str) -> str:
    """The name of a content: digest of its packed sums."""
    return sha256(packed_sums.encode()).hexdigest()[:32]


def compared(sums: Sums, version: str, others: Iterable[tuple[str, str]]) -> Content:
    """The content with these sums beside others, given as versions and packed sums."""
    return Content(version, {name: distances(unpacked(text), sums) for name, text in others})
