"""Units of work on cases: applied for, asked, answered, decided, revoked; each with its entry in the log.

An entry has the case, the digest of what was said and the decision: no name of a person, and no words.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.decoding import read_json
from medspace.core.hashing import digest
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.services.permits import rules
from medspace.services.permits.errors import CaseStateError, OptOutsError, PermitMessageError, UnknownCaseError
from medspace.services.permits.model import (
    CASES,
    OPT_OUTS,
    Application,
    OptOuts,
    PermitCase,
    PermitDecision,
    PermitState,
    Side,
)

LARGEST_MESSAGE = 1 << 18  # bytes
MOST_OPEN = 50  # undecided cases of one applicant at an access body
MOST_OPT_OUTS = 1_000_000
LONGEST_VALUE = 512
_CASE = r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"  # says nothing, so that the log may have it
_Long = Annotated[str, msgspec.Meta(max_length=rules.LONGEST_WORDS)]
_Talk = Annotated[tuple[_Long, ...], msgspec.Meta(max_length=rules.MOST_TALK)]


class CaseMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One side's part of a case, whole each time: what comes twice or late changes nothing."""

    case: Annotated[str, msgspec.Meta(pattern=_CASE)]
    own: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    application: Application | None = None
    answers: _Talk = ()
    withdrawn: bool = False
    questions: _Talk = ()
    decision: PermitDecision | None = None
    credential: Annotated[str, msgspec.Meta(max_length=1 << 16)] = ""
    revoked: _Long = ""


def read_message(content: bytes) -> CaseMessage:
    """The message in a body.

    Raises:
        PermitMessageError: it holds none.
    """
    try:
        return read_json(content, CaseMessage)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise PermitMessageError(reason=Text(msgid("a member is missing or of the wrong kind"))) from None


def message_of(case: PermitCase) -> JsonObject:
    """What the other side is sent."""
    part: dict[str, Json] = {"case": case.id, "own": case.own}
    if case.side is Side.APPLICANT:
        part |= {"application": msgspec.to_builtins(case.application), "answers": list(case.answers)}
        return part | {"withdrawn": case.withdrawn}
    decided = None if case.decision is None else msgspec.to_builtins(case.decision)
    return part | {
        "questions": list(case.questions),
        "decision": decided,
        "credential": case.credential,
        "revoked": case.revoked,
    }


# --- what each side does -----------------------------------------------------------------------------------------


def apply(tx: Transaction, did: str, case: PermitCase, by: str) -> PermitCase:
    """As the applicant: a new case."""
    tx.insert(CASES, case)
    _note(tx, "permit.applied", did, case, case.created, {"body": case.body, "said": _said(case), "by": by})
    return case


def known(tx: Transaction, identity: str) -> PermitCase:
    """A case.

    Raises:
        UnknownCaseError: there is none.
    """
    found = tx.get(CASES, identity)
    if found is None:
        raise UnknownCaseError(case=identity[:80])
    return found


def change(
    tx: Transaction, identity: str, verb: str, now: datetime, how: Callable[[PermitCase], dict[str, object]]
) -> PermitCase:
    """One move of this side; `how` makes its new parts.

    Raises:
        UnknownCaseError, CaseStateError: there is no such case, or this cannot be done with it.
    """
    case = known(tx, identity)
    rules.moved(case, verb)
    new = rules.changed(case, now, **how(case))
    tx.replace(CASES, case, new)
    return new


def ask(tx: Transaction, did: str, identity: str, text: str, now: datetime, by: str) -> PermitCase:
    """As the access body: a question back to the applicant."""
    new = change(tx, identity, "ask", now, lambda case: {"questions": _more(case.questions, text)})
    _note(tx, "permit.asked", did, new, new.changed, {"said": digest(text), "by": by})
    return new


def answer(tx: Transaction, did: str, identity: str, text: str, now: datetime, by: str) -> PermitCase:
    """As the applicant: the answer to the question that is open."""
    new = change(tx, identity, "answer", now, lambda case: {"answers": _more(case.answers, text)})
    _note(tx, "permit.answered", did, new, new.changed, {"said": digest(text), "by": by})
    return new


def withdraw(tx: Transaction, did: str, identity: str, now: datetime, by: str) -> PermitCase:
    """As the applicant: it is not wanted any more."""
    new = change(tx, identity, "withdraw", now, lambda _: {"withdrawn": True})
    _note(tx, "permit.withdrawn", did, new, new.changed, {"by": by})
    return new


def decide(
    tx: Transaction, did: str, identity: str, decision: PermitDecision, sign: Callable[[PermitCase], str], by: str
) -> PermitCase:
    """As the access body: grant or refuse. `sign` issues the permit, in this transaction, and returns its id.

    Raises:
        PermitDecisionError: it grants more than was applied for, or gives no reasons.
        UnknownCaseError, CaseStateError: as `change`.
    """
    now = instant(decision.time)

    def how(case: PermitCase) -> dict[str, object]:
        rules.check_decision(case, decision, now)
        signed = sign(replace(case, decision=decision)) if decision.granted else ""
        return {"decision": decision, "credential": signed}

    new = change(tx, identity, "grant" if decision.granted else "refuse", now, how)
    said = {"decision": new.state.value, "said": digest(msgspec.to_builtins(decision)), "by": by}
    _note(tx, "permit.decided", did, new, new.changed, said)
    return new


def revoke(tx: Transaction, did: str, identity: str, reason: str, now: datetime, by: str) -> PermitCase:
    """As the access body: a permit ends now; whoever calls this puts it on the status list in this transaction."""
    new = change(tx, identity, "revoke", now, lambda _: {"revoked": reason})
    _note(tx, "permit.revoked", did, new, new.changed, {"said": digest(reason), "by": by})
    return new


# --- what each side hears ----------------------------------------------------------------------------------------


def hear(tx: Transaction, did: str, said: CaseMessage, caller: str, now: datetime) -> PermitCase:
    """Take the other side's part of a case; a new case, where an application is new.

    Raises:
        UnknownCaseError: it is not a case with this caller.
        PermitMessageError: an application is missing.
        CaseRewrittenError: something is said otherwise than before.
        CaseStateError: this applicant has too many undecided cases.
    """
    case = tx.get(CASES, said.case)
    if case is None:
        return _arrived(tx, did, said, caller, now)
    if case.other != caller:
        raise UnknownCaseError(case=said.case[:80])
    part = _part(case, said)
    heard = rules.hear_applicant if case.side is Side.BODY else rules.hear_body
    new = heard(case, part, now)
    if new != case:
        tx.replace(CASES, case, new)
        if new.state is not case.state:
            _note(tx, "permit.heard", did, new, new.changed, {"decision": new.state.value})
    return new


def _arrived(tx: Transaction, did: str, said: CaseMessage, caller: str, now: datetime) -> PermitCase:
    if said.application is None:
        raise UnknownCaseError(case=said.case[:80])
    open_ = sum(
        one.applicant == caller
        for state in (PermitState.APPLIED, PermitState.QUESTIONED)
        for one in tx.find(CASES, where={"side": Side.BODY, "state": state}, limit=1_000)
    )
    if open_ >= MOST_OPEN:
        raise CaseStateError(case=said.case[:80], state="refused")
    case = PermitCase(
        said.case,
        Side.BODY,
        caller,
        did,
        PermitState.APPLIED,
        said.application,
        stamp(now),
        stamp(now),
        known=said.own,
        step=None,
    )
    tx.insert(CASES, case)
    _note(tx, "permit.received", did, case, case.created, {"applicant": caller, "said": _said(case)})
    return case


def _part(case: PermitCase, said: CaseMessage) -> PermitCase:
    """The message as a case, of which only the other side's parts count."""
    application = said.application if said.application is not None else case.application
    return replace(
        case,
        own=said.own,
        application=application,
        answers=said.answers,
        withdrawn=said.withdrawn,
        questions=said.questions,
        decision=said.decision,
        credential=said.credential,
        revoked=said.revoked,
    )


def sent(tx: Transaction, identity: str, own: int) -> None:
    """The other side has heard this side's part as it was then."""
    case = tx.get(CASES, identity)
    if case is not None and case.own == own and case.step is not None:
        tx.replace(CASES, case, replace(case, step=None))


@dataclass(frozen=True, slots=True)
class Followed:
    """What a registry says of the persons of a dataset: values of a column asked about, those out, until when."""

    dataset: str
    column: str
    asked: tuple[str, ...]
    listed: tuple[str, ...]
    expires: str


def opt_out(
    tx: Transaction, did: str, dataset: str, column: str, values: tuple[str, ...], now: datetime, by: str
) -> OptOuts:
    """As the data holder: which rows of a dataset are of persons who opted out, beside what a registry says.

    Raises:
        OptOutsError: no column, another one than that of a registry, or too many or too long values.
    """
    if not column or len(column) > LONGEST_VALUE:
        raise OptOutsError(reason=Text(msgid("they name no column")))
    if len(values) > MOST_OPT_OUTS or any(len(value) > LONGEST_VALUE for value in values):
        raise OptOutsError(reason=Text(msgid("there are too many, or one is too long")))
    old, new = tx.get(OPT_OUTS, dataset), OptOuts(dataset, column, tuple(sorted(set(values))), stamp(now))
    if old is not None and old.asked is not None:
        _insist_column(old, column)
        new = replace(new, asked=old.asked, listed=old.listed, expires=old.expires)
    return _kept(tx, did, old, new, by)


def follow(tx: Transaction, did: str, said: Followed, now: datetime, by: str) -> OptOuts:
    """As the data holder: what a registry says of a dataset, beside what was named by hand.

    Raises:
        OptOutsError: by hand, another column was named.
    """
    old = tx.get(OPT_OUTS, said.dataset)
    new = old or OptOuts(said.dataset, said.column, (), stamp(now))
    _insist_column(new, said.column)
    new = replace(new, changed=stamp(now), asked=said.asked, listed=said.listed, expires=said.expires)
    return _kept(tx, did, old, new, by)


def unfollow(tx: Transaction, did: str, dataset: str, now: datetime, by: str) -> None:
    """As the data holder: follow no registry any more. If nothing was named by hand, nothing is said from now on."""
    old = tx.get(OPT_OUTS, dataset)
    if old is None or old.asked is None:
        return
    if old.values:
        _kept(tx, did, old, replace(old, changed=stamp(now), asked=None, listed=(), expires=""), by)
        return
    tx.delete(OPT_OUTS, old)
    _note_opt_outs(tx, did, dataset, stamp(now), by)


def _insist_column(known: OptOuts, column: str) -> None:
    if known.column != column:
        raise OptOutsError(reason=Text(msgid("they are known by another column")))


def _kept(tx: Transaction, did: str, old: OptOuts | None, new: OptOuts, by: str) -> OptOuts:
    if old is None:
        tx.insert(OPT_OUTS, new)
    else:
        tx.replace(OPT_OUTS, old, new)
    _note_opt_outs(tx, did, new.id, new.changed, by)
    return new


def _note_opt_outs(tx: Transaction, did: str, dataset: str, time: str, by: str) -> None:
    said = {"asset": dataset, "by": by}
    record(tx, Entry("permit.opt_outs", time, did, {name: text for name, text in said.items() if text}))


def _more(said: tuple[str, ...], text: str) -> tuple[str, ...]:
    if not text.strip() or len(text) > rules.LONGEST_WORDS or len(said) >= rules.MOST_TALK:
        raise PermitMessageError(reason=Text(msgid("it says nothing, or too much")))
    return (*said, text)


def _said(case: PermitCase) -> str:
    return digest(msgspec.to_builtins(case.application))


def _note(tx: Transaction, kind: str, did: str, case: PermitCase, time: str, facts: dict[str, str]) -> None:
    said = {"case": case.id} | {name: value for name, value in facts.items() if value}
    record(tx, Entry(kind, time, did, said))
