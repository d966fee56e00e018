"""At the registry: who opted out, who may ask about how many persons, and what each hospital is answered.

A hospital gets no list. It asks about pseudonyms of its own, and is told which of them have opted out. About how many
different ones it may ask in all is bounded, since a pseudonym of somebody who is no patient of it looks like any
other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.decoding import read_json
from medspace.core.hashing import digest
from medspace.core.paging import each
from medspace.core.sealing import Sealer
from medspace.core.signing import Signer
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.optouts import pseudonyms
from medspace.services.optouts.errors import OptOutPersonError, OptOutQuestionError, TooManyAskedError
from medspace.services.optouts.model import ASKED, ASKERS, OPTED_OUT, AskedPerson, Asker, OptedOut
from medspace.trust import envelope, jws
from medspace.trust.did import key_id
from medspace.trust.envelope import PUBLIC_BYTES, Context

KEY_DOOR, QUESTION_DOOR = "/optouts/key", "/optouts/questions"
KEY_TYPE, ANSWER_TYPE = "medspace-optouts-key+jwt", "medspace-optouts+jwt"
HOLDS = timedelta(days=3)  # an answer
MOST = 100_000  # persons of a hospital, where the authority has not said another number
MOST_AT_ONCE = 5_000  # pseudonyms in a question
MOST_PERSONS = 10_000  # that opt out in one call
LARGEST_QUESTION = 1 << 19  # bytes
_Pseudonym = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class OptOutQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a hospital asks: which of these have opted out."""

    pseudonyms: Annotated[tuple[_Pseudonym, ...], msgspec.Meta(min_length=1, max_length=MOST_AT_ONCE)]


class KeyWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hospital's public key (base64url), for which the key of its pseudonyms is sealed."""

    public: Annotated[str, msgspec.Meta(max_length=2 * PUBLIC_BYTES)]


def read_question(content: bytes) -> OptOutQuestion:
    """The question in a body.

    Raises:
        OptOutQuestionError: it holds none.
    """
    try:
        return read_json(content, OptOutQuestion)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise _unread() from None


def read_wish(content: bytes) -> bytes:
    """The public key in a body.

    Raises:
        OptOutQuestionError: it holds none.
    """
    try:
        return jws.decode(read_json(content, KeyWish).public)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError):
        raise _unread() from None


def _unread() -> OptOutQuestionError:
    return OptOutQuestionError(reason=Text(msgid("a member is missing or of the wrong kind")))


# --- persons -----------------------------------------------------------------------------------------------------


def version(tx: Transaction) -> int:
    """How often the registry was changed."""
    found = tx.find(OPTED_OUT, order_by="number", descending=True, limit=1)
    return found[0].number if found else 0


def change(
    tx: Transaction, did: str, sealer: Sealer, persons: Sequence[str], now: datetime, *, back: bool, by: str
) -> int:
    """Have persons opt out, or back in; how many are not as they were before.

    Raises:
        OptOutPersonError: an identifier cannot be used, or there are too many; then nothing is changed.
    """
    if len(persons) > MOST_PERSONS:
        raise OptOutPersonError(reason=Text(msgid("there are too many at once")))
    number, changed = version(tx), 0
    for identifier in dict.fromkeys(map(pseudonyms.normal, persons)):
        name = pseudonyms.tag(sealer, identifier)
        old = tx.get(OPTED_OUT, name)
        if (old is None or old.back) is back:
            continue
        number, changed = number + 1, changed + 1
        new = OptedOut(name, number, sealer.seal(identifier.encode(), name), stamp(now), back)
        if old is None:
            tx.insert(OPTED_OUT, new)
        else:
            tx.replace(OPTED_OUT, old, new)
    if changed:
        said = {"version": number} | ({"by": by} if by else {})
        record(tx, Entry("optouts.changed", stamp(now), did, said))
    return changed


def opted_out(tx: Transaction, sealer: Sealer) -> list[str]:
    """The identifiers of who has opted out now."""
    return [sealer.open(one.sealed, one.id).decode() for one in each(tx, OPTED_OUT, {}) if not one.back]


# --- hospitals ---------------------------------------------------------------------------------------------------


def allow(tx: Transaction, did: str, hospital: str, most: int, now: datetime, by: str) -> Asker:
    """Say about how many persons a hospital may ask in all."""
    old = asker(tx, hospital)
    new = replace(old, most=most)
    _keep(tx, new)
    said = {"hospital": hospital, "most": most} | ({"by": by} if by else {})
    record(tx, Entry("optouts.allowed", stamp(now), did, said))
    return new


def asker(tx: Transaction, hospital: str) -> Asker:
    """What is known of a hospital that asks."""
    return tx.get(ASKERS, hospital) or Asker(hospital, MOST)


def count(tx: Transaction, hospital: str, asked: Iterable[str]) -> None:
    """Count the persons about whom a hospital asks for the first time.

    Raises:
        TooManyAskedError: they are more than it may ask about; then none is counted, and none is answered.
    """
    known = asker(tx, hospital)
    new = [one for one in dict.fromkeys(asked) if tx.get(ASKED, f"{hospital} {one}") is None]
    if known.asked + len(new) > known.most:
        raise TooManyAskedError(hospital=hospital, most=known.most, asked=known.asked)
    for one in new:
        tx.insert(ASKED, AskedPerson(f"{hospital} {one}", hospital))
    if new:
        _keep(tx, replace(known, asked=known.asked + len(new)))


def _keep(tx: Transaction, new: Asker) -> None:
    old = tx.get(ASKERS, new.id)
    if old is None:
        tx.insert(ASKERS, new)
    else:
        tx.replace(ASKERS, old, new)


def note(tx: Transaction, did: str, hospital: str, told: str, number: int, now: datetime) -> None:
    """Write into the log that a hospital was answered: by which version, and the digest of what was signed."""
    said = {"hospital": hospital, "version": number, "said": digest(told)}
    record(tx, Entry("optouts.answered", stamp(now), did, said))


def sign_answer(
    signer: Signer, did: str, hospital: str, asked: Sequence[str], out: frozenset[str], number: int, now: datetime
) -> str:
    """The signed answer to a question: which of the pseudonyms have opted out, and until when that may be used."""
    claims: JsonObject = {
        "iss": did,
        "sub": hospital,
        "iat": int(now.timestamp()),
        "exp": int((now + HOLDS).timestamp()),
        "version": number,
        "asked": digest(list(asked)),
        "out": [one for one in asked if one in out],
    }
    return jws.sign(signer, kid=key_id(did, signer.public_key), typ=ANSWER_TYPE, claims=claims)


def sign_key(signer: Signer, did: str, sealer: Sealer, hospital: str, public: bytes, now: datetime) -> str:
    """The key of a hospital's pseudonyms, sealed for its public key, and signed.

    Raises:
        EnvelopeKeyError: that is no public key.
    """
    sealed = envelope.enclose(pseudonyms.hospital_key(sealer, hospital), context(did, hospital, public), public)
    claims: JsonObject = {
        "iss": did,
        "sub": hospital,
        "iat": int(now.timestamp()),
        "public": digest(jws.encode(public)),
        "sealed": jws.encode(sealed),
    }
    return jws.sign(signer, kid=key_id(did, signer.public_key), typ=KEY_TYPE, claims=claims)


def context(did: str, hospital: str, public: bytes) -> Context:
    """What the sealed key is about: this registry, this hospital, the public key that it is sealed for."""
    return Context("optouts", digest(jws.encode(public)), did, hospital, "key of pseudonyms")
