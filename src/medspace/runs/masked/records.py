"""What a site records of each question of a masked run: the state, the total, what was proposed, what followed.

The record holds sums over all sites and nothing of one site. It is sealed where it is kept, its digest stands in the
site's log, and only the site can show it: with it an auditor does the arithmetic again (`replay`). A random salt
prevents guesses of a total from being confirmed by the digest.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from medspace.core import limits
from medspace.core.canonical import JsonObject
from medspace.core.decoding import read_json
from medspace.core.hashing import digest_bytes
from medspace.privacy.masking.ring import MOST_NUMBERS
from medspace.runs.masked.grouping import MOST_GROUPS

SALT_BYTES = 32

_Did = Annotated[str, msgspec.Meta(max_length=256)]
_Integer = Annotated[str, msgspec.Meta(pattern=r"^(0|-?[1-9][0-9]{0,63})\Z")]


class QuestionRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question. `following` is None where the total led nowhere, and then `proposal` is empty.

    Integers of the total are text; `sites` are those in it, `proposer` is whose proposal was followed. Where sites
    were in groups (`grouping`), `groups` has those of each, and their totals follow one another.
    """

    question: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    sites: Annotated[list[_Did], msgspec.Meta(max_length=limits.SEATS)]
    proposer: _Did
    state: JsonObject
    total: Annotated[list[_Integer], msgspec.Meta(max_length=MOST_NUMBERS)]
    proposal: JsonObject
    following: JsonObject | None
    salt: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    groups: Annotated[list[list[_Did]], msgspec.Meta(max_length=MOST_GROUPS)] = []

    @property
    def numbers(self) -> list[int]:
        """The total."""
        return [int(number) for number in self.total]

    @property
    def content(self) -> str:
        """The digest of what is recorded, without the salt: the same at all sites."""
        return digest_bytes(msgspec.json.encode(msgspec.structs.replace(self, salt=""), order="deterministic"))


def written(record: QuestionRecord) -> bytes:
    """A record as it is kept, in canonical form."""
    return msgspec.json.encode(record, order="deterministic")


def made(
    question: int,
    sites: Sequence[str],
    state: JsonObject,
    numbers: Sequence[int],
    proposer: str,
    proposal: JsonObject,
    following: JsonObject | None,
    salt: bytes,
    groups: Sequence[Sequence[str]] = (),
) -> bytes:
    """The record of a question, as it is kept."""
    total = [str(number) for number in numbers]
    inside = [list(group) for group in groups]
    return written(
        QuestionRecord(question, sorted(sites), proposer, state, total, proposal, following, salt.hex(), inside)
    )


def read(text: str) -> QuestionRecord:
    """A record that somebody shows.

    Raises:
        msgspec.DecodeError, RecursionError: it is none.
    """
    return read_json(text.encode(errors="replace"), QuestionRecord)
