"""At a hospital: its pseudonyms, what it asks the registry, and what an answer means for its datasets.

An answer holds until it expires, whether or not the registry can be reached; then permits open nothing of a dataset
that follows it (`permit.opt_outs_stale`). A row of a person about whom the registry was not asked stays out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from medspace.core.clock import stamp
from medspace.core.hashing import digest
from medspace.core.sealing import Sealer
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.optouts import pseudonyms, registry
from medspace.services.optouts.errors import NotFollowedError, OptOutAnswerError, OptOutPersonError
from medspace.services.optouts.model import FOLLOWED, KEYS, FollowedDataset, RegistryKey
from medspace.services.optouts.registry import ANSWER_TYPE, KEY_TYPE, MOST_AT_ONCE
from medspace.services.permits import service as permits
from medspace.trust import envelope, jws
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.errors import EnvelopeUnreadableError

MOST_OF_DATASET = 100_000  # persons
CLOCKS = timedelta(minutes=5)  # by which they may differ
LARGEST_ANSWER = 1 << 20  # characters
T = TypeVar("T")


class RegistryAnswer(msgspec.Struct, frozen=True):
    """What the registry signs of a question."""

    iss: str
    sub: str
    iat: int
    exp: int
    version: int
    asked: str
    out: tuple[str, ...]


class _SignedKey(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    public: str
    sealed: str


# --- the key -----------------------------------------------------------------------------------------------------


def read_key(text: str, did: str, hospital: str, signed_by: bytes, key: EnvelopeKey) -> bytes:
    """The key of this hospital's pseudonyms, out of what the registry signed.

    Raises:
        OptOutAnswerError: it does not hold.
    """
    said = _claims(text, KEY_TYPE, signed_by, _SignedKey)
    if (said.iss, said.sub, said.public) != (did, hospital, digest(jws.encode(key.public))):
        raise _fault(msgid("it is for somebody else"))
    try:
        sealed = jws.decode(said.sealed)
        return envelope.enclosed(sealed, registry.context(did, hospital, key.public), key)
    except (ValueError, EnvelopeUnreadableError):
        raise _fault(msgid("it cannot be opened")) from None


def keep_key(tx: Transaction, sealer: Sealer, did: str, key: bytes) -> None:
    """Keep the key, sealed."""
    new, old = RegistryKey(did, sealer.seal(key, f"opt-outs key {did}")), tx.get(KEYS, did)
    if old is None:
        tx.insert(KEYS, new)
    else:
        tx.replace(KEYS, old, new)


def known_key(tx: Transaction, sealer: Sealer, did: str) -> bytes | None:
    """The key, if there is one."""
    found = tx.get(KEYS, did)
    return None if found is None else sealer.open(found.sealed, f"opt-outs key {did}")


# --- datasets ----------------------------------------------------------------------------------------------------


def named(key: bytes, persons: Mapping[str, str]) -> dict[str, list[str]]:
    """Which values of a column stand for which pseudonym; `persons` has the identifier of each value.

    Raises:
        OptOutPersonError: there are none, or one that cannot be used.
    """
    if not persons:
        raise OptOutPersonError(reason=Text(msgid("there are none")))
    found: dict[str, list[str]] = {}
    for value, identifier in persons.items():
        found.setdefault(pseudonyms.pseudonym(key, pseudonyms.normal(identifier)), []).append(value)
    return found


def follow(
    tx: Transaction,
    sealer: Sealer,
    dataset: str,
    did: str,
    column: str,
    of: Mapping[str, Sequence[str]],
    *,
    add: bool,
) -> FollowedDataset:
    """Have a dataset follow the registry; `of` are the values of each pseudonym, in place of those before or beside.

    Until it is asked, an earlier answer counts for those about whom it was.

    Raises:
        OptOutPersonError: there are too many.
        NotFollowedError: nothing is there to add to, or it is known by another column.
    """
    old = tx.get(FOLLOWED, dataset)
    if add and (old is None or old.column != column):
        raise NotFollowedError(dataset=dataset[:200])
    known: dict[str, Sequence[str]] = {**values_of(sealer, old)} if add and old is not None else {}
    known |= {name: sorted({*known.get(name, ()), *values}) for name, values in of.items()}
    if sum(map(len, known.values())) > MOST_OF_DATASET:
        raise OptOutPersonError(reason=Text(msgid("there are too many")))
    sealed = sealer.seal(msgspec.json.encode(known), f"opt-outs of {dataset}")
    new = FollowedDataset(dataset, did, column, len(known), sealed)
    if old is None:
        tx.insert(FOLLOWED, new)
        return new
    new = replace(new, version=old.version)
    tx.replace(FOLLOWED, old, new)
    return new


def followed(tx: Transaction, dataset: str) -> FollowedDataset:
    """A dataset that follows the registry.

    Raises:
        NotFollowedError: it does not.
    """
    found = tx.get(FOLLOWED, dataset)
    if found is None:
        raise NotFollowedError(dataset=dataset[:200])
    return found


def values_of(sealer: Sealer, one: FollowedDataset) -> dict[str, list[str]]:
    """The values of each pseudonym of a dataset."""
    content = sealer.open(one.sealed, f"opt-outs of {one.id}")
    return msgspec.json.decode(content, type=dict[str, list[str]])


def questions(of: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """What the registry is asked, in their order, so that it says nothing of that of the rows."""
    listed = sorted(of)
    return [listed[at : at + MOST_AT_ONCE] for at in range(0, len(listed), MOST_AT_ONCE)]


def read_answer(
    text: str, one: FollowedDataset, hospital: str, signed_by: bytes, asked: Sequence[str], now: datetime
) -> RegistryAnswer:
    """The answer to a question.

    Raises:
        OptOutAnswerError: it does not hold: another signer, hospital or question, an old one, or one that is over.
    """
    said = _claims(text, ANSWER_TYPE, signed_by, RegistryAnswer)
    if (said.iss, said.sub, said.asked) != (one.registry, hospital, digest(list(asked))):
        raise _fault(msgid("it is for somebody else, or answers another question"))
    if _older(said, one):
        raise _fault(msgid("it is older than what is known"))
    if not (now - CLOCKS).timestamp() <= said.iat <= (now + CLOCKS).timestamp() or said.exp <= now.timestamp():
        raise _fault(msgid("it was not made now"))
    if not set(said.out) <= set(asked):
        raise _fault(msgid("it names somebody who was not asked about"))
    return said


def _older(said: RegistryAnswer, one: FollowedDataset) -> bool:
    return said.version < one.version


def take(
    tx: Transaction, sealer: Sealer, did: str, dataset: str, answers: Sequence[RegistryAnswer], now: datetime, by: str
) -> FollowedDataset:
    """Have what was answered count for permits, until the first of the answers expires.

    Raises:
        NotFollowedError: the dataset does not follow the registry any more.
        OptOutsError: opt-outs by another column were named here by hand.
    """
    old = followed(tx, dataset)
    of, out = values_of(sealer, old), [one for said in answers for one in said.out]
    ends = stamp(datetime.fromtimestamp(min(said.exp for said in answers), UTC))
    number = min(said.version for said in answers)
    new = replace(old, version=number, answered=stamp(now), expires=ends, out=len(out))
    tx.replace(FOLLOWED, old, new)
    asked, listed = _values(of, of), _values(of, out)
    permits.follow(tx, did, permits.Followed(dataset, old.column, asked, listed, ends), now, by)
    said = {"asset": dataset, "registry": old.registry, "version": number, "until": ends}
    record(tx, Entry("optouts.followed", stamp(now), did, said | ({"by": by} if by else {})))
    return new


def stop(tx: Transaction, did: str, dataset: str, now: datetime, by: str) -> None:
    """Follow no longer: what was named by hand counts, and nothing else.

    Raises:
        NotFollowedError: it does not follow.
    """
    tx.delete(FOLLOWED, followed(tx, dataset))
    permits.unfollow(tx, did, dataset, now, by)


def _values(of: Mapping[str, Sequence[str]], wanted: Sequence[str] | Mapping[str, object]) -> tuple[str, ...]:
    return tuple(sorted({value for one in wanted for value in of[one]}))


def _claims(text: str, typ: str, signed_by: bytes, form: type[T]) -> T:
    try:
        parts = jws.split(text[:LARGEST_ANSWER])
        if parts.typ == typ and parts.holds(signed_by):
            return msgspec.json.decode(parts.payload, type=form)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        pass
    raise _fault(msgid("the authority has not signed it"))


def _fault(reason: str) -> OptOutAnswerError:
    return OptOutAnswerError(reason=Text(reason))
