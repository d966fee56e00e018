"""What a signed message does: consent, withdraw, ask how things stand, invite another device or a guardian, retire.

Numbers of messages only grow, for each patient: `last` is the highest that was heard. A message that says something
again, word for word, is answered again; one that says something else under an old number is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec

from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.hashing import commitment, digest
from medspace.core.paging import each
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.wallets import forms
from medspace.services.wallets.asking import HeardMessage
from medspace.services.wallets.errors import (
    ConsentFormError,
    GuardianError,
    MessageNumberError,
    UnknownConsentError,
    UsesUnknownError,
    WalletKeyError,
    WalletMessageError,
)
from medspace.services.wallets.issuing import CardIssuer, offer, receipt_card, retire, salt_of
from medspace.services.wallets.model import (
    FORMS,
    HOLDERS,
    KEPT,
    PATIENTS,
    CardRole,
    HolderKey,
    KeptConsent,
    PatientRecord,
)
from medspace.services.wallets.ports import ConsentStore, SignedConsent, SignedWithdrawal, UsesOfPatients
from medspace.trust.credentials import jose

T = TypeVar("T")
MOST_USES = 1000
LONGEST_GUARD = timedelta(days=366)  # a guardian's card is renewed once a year at least
CLOCKS = timedelta(minutes=10)  # that a patient's clock may differ
ACKNOWLEDGED = "medspace-withdrawal+jwt"
COMMITMENT = r"^hmac-sha256:[0-9a-f]{64}\Z"
_Number = Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
_Name = Annotated[str, msgspec.Meta(max_length=128)]


class _Consent(msgspec.Struct, frozen=True):
    number: _Number
    form: _Name
    consent: JsonObject


class _Withdrawal(msgspec.Struct, frozen=True):
    number: _Number
    consent: _Name
    commitment: Annotated[str, msgspec.Meta(pattern=COMMITMENT)]


class _InviteWish(msgspec.Struct, frozen=True):
    number: _Number
    role: CardRole
    until: _Name = ""


class _Retirement(msgspec.Struct, frozen=True):
    number: _Number
    key: _Name


@dataclass(frozen=True, slots=True)
class PatientDesk:
    """Who hears patients: the issuer of their cards, where consents go, and where uses are known."""

    issuer: CardIssuer
    stores: Sequence[ConsentStore] = ()
    uses: UsesOfPatients | None = None

    def act(self, tx: Transaction, heard: HeardMessage, now: datetime) -> JsonObject:
        """Do what a message says, and answer it.

        Raises:
            WalletMessageError: it says nothing that is known here.
            RefusedError: one subclass, with its own code, for each rule.
        """
        acts: Mapping[str, Callable[[Transaction, HeardMessage, datetime], JsonObject]] = {
            "state": self._state,
            "uses": self._uses,
            "consent": self._consent,
            "withdraw": self._withdraw,
            "invite": self._invite,
            "retire": self._retire,
        }
        act = acts.get(str(heard.said.get("act")))
        if act is None:
            raise WalletMessageError(reason=Text(msgid("it asks for nothing that is known here")))
        return act(tx, heard, now)

    def _state(self, tx: Transaction, heard: HeardMessage, _: datetime) -> JsonObject:
        kept = each(tx, KEPT, {"patient": heard.patient.id})
        keys = each(tx, HOLDERS, {"patient": heard.patient.id})
        return {
            "last": heard.patient.last,
            "pseudonym": heard.patient.pseudonym,
            "consents": [_told(one) for one in kept],
            "keys": [
                {"id": one.id, "role": one.role.value, "since": one.since, "until": one.until, "retired": one.retired}
                for one in keys
            ],
        }

    def _uses(self, tx: Transaction, heard: HeardMessage, _: datetime) -> JsonObject:
        if self.uses is None:
            raise UsesUnknownError
        found = self.uses.uses(tx, heard.patient.id)[:MOST_USES]
        return {"uses": [msgspec.to_builtins(one) for one in found]}

    def _consent(self, tx: Transaction, heard: HeardMessage, now: datetime) -> JsonObject:
        said = _read(heard.said, _Consent)
        identity = consent_id(heard.patient.pseudonym, said.number)
        before = tx.get(KEPT, identity)
        if before is not None and before.consent == said.consent and not before.withdrawn:
            return self._receipt(heard, before, now)
        form = tx.get(FORMS, said.form)
        forms.insist(said.consent, form, self.issuer.origin, heard.patient.pseudonym)
        _insist_time(said.consent, now)
        _count(tx, heard.patient, said.number)
        self._replace_older(tx, heard, said.form, said.number, now)
        kept = KeptConsent(
            identity, heard.patient.id, said.form, said.number, stamp(now), said.consent, heard.evidence
        )
        tx.insert(KEPT, kept)
        self._note(tx, "wallet.consented", heard, kept.consent, now)
        salt = salt_of(self.issuer, heard.patient)
        signed = SignedConsent(
            identity,
            heard.patient.id,
            heard.patient.pseudonym,
            said.number,
            kept.time,
            said.consent,
            salt,
            heard.evidence,
        )
        for store in self.stores:
            store.accept(tx, signed)
        return self._receipt(heard, kept, now)

    def _replace_older(self, tx: Transaction, heard: HeardMessage, form: str, number: int, now: datetime) -> None:
        """A new consent to a form takes the place of the one before."""
        for one in list(each(tx, KEPT, {"patient": heard.patient.id})):
            if one.form == form and not one.withdrawn:
                self._end(tx, one, number, heard.evidence, "", now)

    def _receipt(self, heard: HeardMessage, kept: KeptConsent, now: datetime) -> JsonObject:
        claims: JsonObject = {
            "consent": kept.id,
            "form": kept.form,
            "number": kept.number,
            "time": kept.time,
            "digest": digest(kept.consent),
            "salt": salt_of(self.issuer, heard.patient),
        }
        return {**_told(kept), "receipt": receipt_card(self.issuer, heard.key, claims, now)}

    def _withdraw(self, tx: Transaction, heard: HeardMessage, now: datetime) -> JsonObject:
        said = _read(heard.said, _Withdrawal)
        kept = tx.get(KEPT, said.consent)
        if kept is None or kept.patient != heard.patient.id:
            raise UnknownConsentError(consent=said.consent[:80])
        if not kept.withdrawn:
            _count(tx, heard.patient, said.number)
            kept = self._end(tx, kept, said.number, heard.evidence, said.commitment, now)
            record(tx, Entry("wallet.withdrawn", stamp(now), self.issuer.did, {"commitment": said.commitment}))
        claims: JsonObject = {
            "iss": self.issuer.did,
            "consent": kept.id,
            "number": kept.withdrawal_number,
            "commitment": said.commitment,
            "iat": int(instant(kept.withdrawn).timestamp()),
        }
        return {**_told(kept), "acknowledgement": jose.sign(self.issuer.key, claims, typ=ACKNOWLEDGED)}

    def _end(
        self, tx: Transaction, kept: KeptConsent, number: int, evidence: str, committed: str, now: datetime
    ) -> KeptConsent:
        ended = replace(
            kept,
            withdrawn=stamp(now),
            withdrawal_number=number,
            withdrawal_evidence=evidence,
            commitment=committed,
        )
        tx.replace(KEPT, kept, ended)
        for store in self.stores:
            store.withdraw(tx, SignedWithdrawal(kept.id, kept.patient, number, ended.withdrawn, evidence))
        return ended

    def _invite(self, tx: Transaction, heard: HeardMessage, now: datetime) -> JsonObject:
        said = _read(heard.said, _InviteWish)
        _insist_self(heard)
        until = _guard_end(said, now)
        _count(tx, heard.patient, said.number)
        made = offer(tx, self.issuer, heard.patient.id, now, said.role, until)
        record(tx, Entry("wallet.invited", stamp(now), self.issuer.did, {"role": said.role.value}))
        return {"link": made.link, "pin": made.pin, "expires": made.expires, "until": until}

    def _retire(self, tx: Transaction, heard: HeardMessage, now: datetime) -> JsonObject:
        said = _read(heard.said, _Retirement)
        _insist_self(heard)
        found: HolderKey | None = tx.get(HOLDERS, said.key)
        if found is None or found.patient != heard.patient.id:
            raise WalletKeyError
        _count(tx, heard.patient, said.number)
        retire(tx, self.issuer, found, now)
        return {"key": found.id, "retired": stamp(now)}

    def _note(self, tx: Transaction, kind: str, heard: HeardMessage, consent: JsonObject, now: datetime) -> None:
        salt = bytes.fromhex(salt_of(self.issuer, heard.patient))
        said = {"commitment": commitment(salt, digest(consent).encode()), "form": str(heard.said["form"])}
        record(tx, Entry(kind, stamp(now), self.issuer.did, said))


def consent_id(pseudonym: str, number: int) -> str:
    """The name of a consent, which both sides know before it is given."""
    return f"{pseudonym}-{number}"


def _read(said: JsonObject, form: type[T]) -> T:
    try:
        return msgspec.convert(said, form)
    except msgspec.ValidationError:
        raise WalletMessageError(reason=Text(msgid("a member is missing or of the wrong kind"))) from None


def _count(tx: Transaction, patient: PatientRecord, number: int) -> None:
    """Numbers only grow.

    Raises:
        MessageNumberError: it is not above the last one.
    """
    if number <= patient.last:
        raise MessageNumberError(number=number, last=patient.last)
    tx.replace(PATIENTS, patient, replace(patient, last=number))


def _insist_self(heard: HeardMessage) -> None:
    if heard.holder.role is not CardRole.SELF:
        raise GuardianError


def _insist_time(consent: JsonObject, now: datetime) -> None:
    """A consent is given now: neither back-dated nor for later."""
    try:
        at = instant(str(consent.get("dateTime")))
    except ValueError:
        at = None
    if at is None or abs(at - now) > CLOCKS:
        raise ConsentFormError(reason=Text(msgid("its time is not now")))


def _guard_end(said: _InviteWish, now: datetime) -> str:
    """The end of a guardian's card; one's own device has none.

    Raises:
        WalletMessageError: a guardian without an end, or with one that is over or too far away.
    """
    if said.role is CardRole.SELF:
        return ""
    try:
        until = instant(said.until)
    except ValueError:
        until = now
    if not now < until <= now + LONGEST_GUARD:
        raise WalletMessageError(reason=Text(msgid("whoever acts for the patient needs an end within a year")))
    return stamp(until)


def _told(kept: KeptConsent) -> JsonObject:
    return {
        "id": kept.id,
        "form": kept.form,
        "number": kept.number,
        "time": kept.time,
        "withdrawn": kept.withdrawn,
    }
