"""Units of work on consents: recorded, withdrawn, editions of datasets; each with its entry in the log.

Numbers of versions only grow, and the highest counts: an old consent that is shown again after its withdrawal changes
nothing. An entry names nobody: it has the root of a tree of salted commitments to what was recorded.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.clock import Randomness, stamp
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.ledger import merkle
from medspace.ledger.model import Entry
from medspace.ledger.service import record as log
from medspace.policy.consent import reading
from medspace.policy.consent.model import Consent
from medspace.policy.errors import ConsentDocumentError
from medspace.services.consents.errors import ConsentVersionError, NoConsentError
from medspace.services.consents.model import (
    PATIENTS,
    SHAPES,
    SOURCES,
    VERSIONS,
    ConsentPatient,
    ConsentShape,
    ConsentSource,
    ConsentVersion,
)

WITHDRAWN, PERSON = "withdrawn", "person"
SALT = 32  # bytes
LARGEST_DOCUMENT = 1 << 16  # bytes
MOST_OF_ONE = 10_000  # versions of one patient


class RecordedAs(StrEnum):
    """What became of a document."""

    NEW = "new"
    SAME = "same"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Office:
    """Who records: the DID of the holder, its randomness, the time, and the actor."""

    did: str
    randomness: Randomness
    now: datetime
    by: str = ""


def version_of(document: JsonObject) -> int:
    """The number of a version of a FHIR resource, by `meta.versionId`; 1 where there is none.

    Raises:
        ConsentDocumentError: it is no whole number.
    """
    meta = document.get("meta")
    said = meta.get("versionId", "1") if isinstance(meta, dict) else "1"
    if not isinstance(said, str) or not said.isascii() or not said.isdecimal() or not 0 < int(said[:16]) < 2**53:
        raise ConsentDocumentError(reason="meta/versionId")
    return int(said)


def record(tx: Transaction, office: Office, documents: Sequence[JsonObject]) -> list[RecordedAs]:
    """Record consents in the order in which they come; of each, whether it is new.

    Raises:
        ConsentDocumentError: one is no consent; then none is recorded.
        ConsentVersionError: another text was recorded under its number.
    """
    number, made, found = last_number(tx), [], []
    for document in documents:
        consent = reading.read(document, version_of(document))
        became = _compared(tx, consent, digest(document))
        found.append(became)
        if became is RecordedAs.NEW:
            number += 1
            made.append(_kept(tx, office, consent, document, number))
    if made:
        _note(tx, office, made)
    return found


def withdraw(tx: Transaction, office: Office, patient: str, consent: str = "") -> list[ConsentVersion]:
    """Record that a patient withdraws a consent, or all of hers; again changes nothing.

    Raises:
        NoConsentError: there is none.
    """
    newest = [one for one in newest_of(tx, patient) if one.consent]
    wanted = [one for one in newest if consent in ("", one.consent)]
    if not wanted:
        raise NoConsentError(patient=patient[:80])
    made, number = [], last_number(tx)
    for one in wanted:
        if one.shape:
            number += 1
            said = replace(one, id=_identity(patient, one.consent, one.version + 1), version=one.version + 1)
            new = replace(said, number=number, time=stamp(office.now), shape="", why=WITHDRAWN)
            tx.insert(VERSIONS, new)
            made.append(new)
    if made:
        _note(tx, office, made)
    return made


def newest_of(tx: Transaction, patient: str) -> list[ConsentVersion]:
    """The newest version of each consent of a patient."""
    found: dict[str, ConsentVersion] = {}
    for one in tx.find(VERSIONS, where={"patient": patient}, limit=MOST_OF_ONE):
        before = found.get(one.consent)
        if before is None or before.version < one.version:
            found[one.consent] = one
    return list(found.values())


def last_number(tx: Transaction) -> int:
    """How many versions were recorded."""
    found = tx.find(VERSIONS, order_by="number", descending=True, limit=1)
    return found[0].number if found else 0


def person(tx: Transaction, office: Office, patient: str) -> ConsentPatient:
    """A patient; she gets her salt when she is first heard of."""
    old = tx.get(PATIENTS, patient)
    if old is not None:
        return old
    new = ConsentPatient(patient, office.randomness.token_bytes(SALT).hex())
    tx.insert(PATIENTS, new)
    return new


def describe(tx: Transaction, office: Office, patient: str, *, adult: str = "", died: str = "") -> ConsentPatient:
    """Record from when on a patient consents for herself, and whether she has died."""
    old = person(tx, office, patient)
    new = replace(old, adult=adult or old.adult, died=died or old.died)
    if new != old:
        tx.replace(PATIENTS, old, new)
        mark(tx, office, patient, PERSON)  # so that whoever follows the versions looks her up anew
    return new


def mark(tx: Transaction, office: Office, patient: str, why: str) -> int:
    """Give the next number to what happened to a patient that is no version of a consent; the log commits to it."""
    number = last_number(tx) + 1
    one = ConsentVersion(_identity(patient, "", number), patient, "", number, number, stamp(office.now), "", why=why)
    tx.insert(VERSIONS, one)
    _note(tx, office, [one])
    return number


def commitment(salt: str, version: ConsentVersion) -> bytes:
    """What the log's tree has of a version: HMAC-SHA-256 of it under the patient's salt."""
    said = f"{version.consent} {version.version} {version.digest} {version.why or version.shape}"
    return hmac.digest(bytes.fromhex(salt), said.encode(), "sha256")


def _compared(tx: Transaction, consent: Consent, said: str) -> RecordedAs:
    newest = [one for one in newest_of(tx, consent.patient) if one.consent == consent.id]
    if not newest or newest[0].version < consent.version:
        return RecordedAs.NEW
    same = tx.get(VERSIONS, _identity(consent.patient, consent.id, consent.version))
    if same is not None and same.digest != said:
        raise ConsentVersionError(version=consent.version, consent=consent.id, known=newest[0].version)
    return RecordedAs.SAME if same is not None and newest[0].version == consent.version else RecordedAs.OLD


def _kept(tx: Transaction, office: Office, consent: Consent, document: JsonObject, number: int) -> ConsentVersion:
    person(tx, office, consent.patient)
    shape = ""
    if consent.tree is not None:
        shape = digest(msgspec.to_builtins(consent.tree))
        if tx.get(SHAPES, shape) is None:
            tx.insert(SHAPES, ConsentShape(shape, consent.tree))
    new = ConsentVersion(
        _identity(consent.patient, consent.id, consent.version),
        consent.patient,
        consent.id,
        consent.version,
        number,
        stamp(office.now),
        digest(document),
        shape,
        consent.spans,
        consent.guardian,
        consent.why,
    )
    tx.insert(VERSIONS, new)
    tx.insert(SOURCES, ConsentSource(new.id, document))
    return new


def _identity(patient: str, consent: str, version: int) -> str:
    return digest([patient, consent, version])


def root(tx: Transaction, versions: Sequence[ConsentVersion]) -> str:
    """The root of the tree of commitments to versions, as the log states it."""
    known = [(tx.get(PATIENTS, one.patient), one) for one in versions]
    leaves = [merkle.leaf_hash(commitment(patient.salt, one)) for patient, one in known if patient is not None]
    return "sha256:" + merkle.Tree(leaves).root(len(leaves)).hex()


def _note(tx: Transaction, office: Office, made: Sequence[ConsentVersion]) -> None:
    facts = {"first": made[0].number, "last": made[-1].number, "root": root(tx, made)}
    log(
        tx, Entry("consent.recorded", stamp(office.now), office.did, facts | ({"by": office.by} if office.by else {}))
    )
