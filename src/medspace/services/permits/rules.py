"""Pure decisions on permits: what an application lacks, what a decision may grant, what follows what."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from unicodedata import normalize

from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.text import Fact, Text, msgid
from medspace.policy import laws, purposes, rules
from medspace.policy.actions import USE
from medspace.policy.model import Policy, PolicyKind, Rule, UseRequest
from medspace.policy.points import Point
from medspace.services.permits.errors import (
    CaseRewrittenError,
    CaseStateError,
    IncompleteError,
    PermitDecisionError,
)
from medspace.services.permits.model import (
    SEND,
    Application,
    PermitCase,
    PermitDataset,
    PermitDecision,
    PermitState,
    Side,
)

# Which state may follow which, by what is done and by whom. What has ended stays ended.
MOVES: Mapping[tuple[PermitState, str], PermitState] = {
    (PermitState.APPLIED, "ask"): PermitState.QUESTIONED,
    (PermitState.APPLIED, "grant"): PermitState.GRANTED,
    (PermitState.APPLIED, "refuse"): PermitState.REFUSED,
    (PermitState.APPLIED, "withdraw"): PermitState.WITHDRAWN,
    (PermitState.QUESTIONED, "answer"): PermitState.APPLIED,
    (PermitState.QUESTIONED, "refuse"): PermitState.REFUSED,
    (PermitState.QUESTIONED, "withdraw"): PermitState.WITHDRAWN,
    (PermitState.GRANTED, "revoke"): PermitState.REVOKED,
}
OWNERS: Mapping[str, Side] = {
    "ask": Side.BODY,
    "grant": Side.BODY,
    "refuse": Side.BODY,
    "revoke": Side.BODY,
    "answer": Side.APPLICANT,
    "withdraw": Side.APPLICANT,
}
LONGEST = timedelta(days=3_653)  # of a permit
LONGEST_TITLE, LONGEST_WORDS, LONGEST_NAME = 200, 2_000, 200  # characters
MOST_DATASETS, MOST_PEOPLE, MOST_PURPOSES, MOST_CONDITIONS, MOST_TALK = 100, 200, 16, 32, 32
_FEES = re.compile(r"(0|[1-9][0-9]{0,11})\.[0-9]{2} [A-Z]{3}", re.ASCII)
_LAW = "ehds"
_OF_PURPOSES = ("Article 53", "Article 54")  # the articles about purposes, whatever else a use needs


def moved(case: PermitCase, verb: str) -> PermitState:
    """The state after a move of this side.

    Raises:
        CaseStateError: it cannot be done as the case stands, or not by this side.
    """
    after = MOVES.get((case.state, verb))
    if after is None or OWNERS[verb] is not case.side:
        raise CaseStateError(case=case.id, state=case.state.value)
    return after


# --- completeness ----------------------------------------------------------------------------------------------


def check(application: Application, now: datetime, roles: Collection[str] = ()) -> None:
    """Refuse an application that lacks something, or whose purposes the law does not know.

    `roles` are those of the applicant, as the authority signed them: some purposes are for public bodies.

    Raises:
        IncompleteError: with the reason.
    """
    reason = _lacking(application) or _untimely(application, now) or _unlawful(application, roles)
    if reason is not None:
        raise IncompleteError(reason=reason)


def _lacking(said: Application) -> Text | None:
    for flawed, reason in _checks(said):
        if flawed:
            return Text(reason)
    return None


def _checks(said: Application) -> Iterator[tuple[bool, str]]:
    words = ((said.title, LONGEST_TITLE), (said.summary, LONGEST_WORDS), (said.safeguards, LONGEST_WORDS))
    counts = ((said.datasets, MOST_DATASETS), (said.people, MOST_PEOPLE), (said.purposes, MOST_PURPOSES))
    nobody = not said.people or not all(name.strip() for name in said.people)
    yield not said.datasets, msgid("it names no dataset")
    yield nobody, msgid("it names no person who will work with the data")
    unsaid = not said.title.strip() or not said.summary.strip()
    yield unsaid, msgid("it says nothing that the public could read: a title and a summary")
    yield not said.safeguards.strip(), msgid("it does not say how the data are protected")
    twice = any(len(listed) > most or len(set(listed)) != len(listed) for listed, most in counts)
    yield twice, msgid("it names too much, or something twice")
    long = any(len(text) > most for text, most in words) or any(len(name) > LONGEST_NAME for name in said.people)
    yield long, msgid("one of its texts is too long")


def _untimely(said: Application, now: datetime) -> Text | None:
    try:
        since, until = instant(said.since), instant(said.until)
    except ValueError:
        return Text(msgid("its first and last day are not days"))
    if until <= since or until <= now:
        return Text(msgid("its last day is over, or before the first"))
    if until - since > LONGEST:
        return Text(msgid("it asks for more than {years} years"), {"years": LONGEST.days // 365})
    return None


def _unlawful(said: Application, roles: Collection[str]) -> Text | None:
    if not said.purposes:
        return Text(msgid("it names no purpose"))
    for purpose in said.purposes:
        name = purposes.canonical(purpose)
        if name is None:
            return Text(msgid("{purpose} is no purpose that the space knows"), {"purpose": purpose[:LONGEST_NAME]})
        request = UseRequest(action=USE, purpose=name, roles=tuple(roles))
        for rule in laws.laws()[_LAW].rules:
            if rule.article.startswith(_OF_PURPOSES) and not _allowed(rule, request):
                facts: dict[str, Fact | Text] = {"article": rule.article, "words": Text(rule.words)}
                return Text(msgid("the European Health Data Space, {article}: {words}"), facts)
    return None


def _allowed(rule: laws.LawRule, request: UseRequest) -> bool:
    policy = Policy(_LAW, PolicyKind.OFFER, (Rule(USE, rule.article, (rule.constraint,)),))
    return rules.decide(policy, request, Point.COMPUTE).permitted


# --- decisions -------------------------------------------------------------------------------------------------


def check_decision(case: PermitCase, decision: PermitDecision, now: datetime) -> None:
    """Refuse a decision that grants more than was applied for, or that says no reasons.

    Raises:
        PermitDecisionError: with the reason.
    """
    reason = _unsaid(decision) or (_beyond(case.application, decision, now) if decision.granted else None)
    if reason is not None:
        raise PermitDecisionError(reason=reason)


def _unsaid(decision: PermitDecision) -> Text | None:
    if not decision.reasons.strip():
        return Text(msgid("it gives no reasons"))
    texts = (decision.reasons, decision.opt_outs, *decision.conditions)
    if any(len(text) > LONGEST_WORDS for text in texts) or len(decision.conditions) > MOST_CONDITIONS:
        return Text(msgid("one of its texts is too long"))
    if decision.fees and not _FEES.fullmatch(decision.fees):
        return Text(msgid("its fees are not an amount with its currency, such as 1200.00 EUR"))
    return None


def _beyond(asked: Application, granted: PermitDecision, now: datetime) -> Text | None:
    pairs = (
        (asked.datasets, granted.datasets),
        (asked.people, granted.people),
        (asked.purposes, granted.purposes),
    )
    if any(not given or not set(given) <= set(wanted) for wanted, given in pairs):
        return Text(msgid("it grants something that was not applied for, or nothing at all"))
    try:
        since, until = instant(granted.since), instant(granted.until)
    except ValueError:
        return Text(msgid("its first and last day are not days"))
    if since < instant(asked.since) or until > instant(asked.until) or until <= max(since, now):
        return Text(msgid("its days are not within those that were applied for, or over"))
    return None


def granting(asked: Application, reasons: str, now: datetime) -> PermitDecision:
    """A decision that grants everything that was applied for."""
    return PermitDecision(
        granted=True,
        reasons=reasons,
        time=stamp(now),
        datasets=asked.datasets,
        people=asked.people,
        purposes=asked.purposes,
        since=asked.since,
        until=asked.until,
    )


def standing(case: PermitCase, now: datetime) -> str:
    """The state of a case as people see it: a permit whose last day is over has expired."""
    decision = case.decision
    if case.state is PermitState.GRANTED and decision is not None and now >= instant(decision.until):
        return "expired"
    return case.state.value


def opens(case: PermitCase, dataset: PermitDataset, now: datetime) -> bool:
    """Whether the permit of a case opens a dataset now."""
    granted = standing(case, now) == PermitState.GRANTED.value
    return granted and case.decision is not None and dataset in case.decision.datasets


def names(case: PermitCase, person: str) -> bool:
    """Whether a permit names a person: the same name, whatever its capitals, spaces and encoding."""
    people = () if case.decision is None else case.decision.people
    return bool(person.strip()) and _plain(person) in map(_plain, people)


def _plain(name: str) -> str:
    return " ".join(normalize("NFKC", name).casefold().split())


# --- what each side hears of the other -------------------------------------------------------------------------


def hear_applicant(case: PermitCase, said: PermitCase, now: datetime) -> PermitCase:
    """The access body's case once the applicant's part has arrived; what came late or twice changes nothing.

    Raises:
        CaseRewrittenError: an answer or the application was changed after it had been said.
    """
    if said.own <= case.known:
        return case
    grown = said.answers[: len(case.answers)] == case.answers
    if not grown or said.application != case.application or (case.withdrawn and not said.withdrawn):
        raise CaseRewrittenError(case=case.id)
    new = replace(case, answers=said.answers, withdrawn=said.withdrawn, known=said.own, changed=stamp(now))
    return replace(new, state=_read(new))


def hear_body(case: PermitCase, said: PermitCase, now: datetime) -> PermitCase:
    """The applicant's case once the access body's part has arrived.

    Raises:
        CaseRewrittenError: a question or the decision was changed after it had been said.
    """
    if said.own <= case.known:
        return case
    grown = said.questions[: len(case.questions)] == case.questions
    if not grown or (case.decision is not None and said.decision != case.decision):
        raise CaseRewrittenError(case=case.id)
    new = replace(
        case,
        questions=said.questions,
        decision=said.decision,
        credential=said.credential,
        revoked=said.revoked,
        known=said.own,
        changed=stamp(now),
    )
    return replace(new, state=_read(new))


def _read(case: PermitCase) -> PermitState:
    """The state that the two parts of a case add up to; a decision stands, whatever was said beside it."""
    if case.decision is not None:
        if case.revoked:
            return PermitState.REVOKED
        return PermitState.GRANTED if case.decision.granted else PermitState.REFUSED
    if case.withdrawn:
        return PermitState.WITHDRAWN
    return PermitState.QUESTIONED if len(case.questions) > len(case.answers) else PermitState.APPLIED


def changed(case: PermitCase, now: datetime, **parts: object) -> PermitCase:
    """A case of which this side changed these parts; the other has to hear of it."""
    new = replace(case, **parts, own=case.own + 1, step=SEND, changed=stamp(now))  # type: ignore[arg-type]
    return replace(new, state=_read(new))


def public(case: PermitCase, applicant: str, now: datetime) -> JsonObject:
    """What the register of decisions says of a case: public words, and nobody's name but the applicant's."""
    decision = case.decision
    if decision is None:
        raise ValueError(case.id)
    return {
        "id": case.id,
        "applicant": applicant or case.applicant,
        "title": case.application.title,
        "summary": case.application.summary,
        "state": standing(case, now),
        "decided": decision.time,
        "reasons": decision.reasons,
        "datasets": [asdict(one) for one in decision.datasets or case.application.datasets],
        "purposes": list(decision.purposes or case.application.purposes),
        "since": decision.since or case.application.since,
        "until": decision.until or case.application.until,
        "conditions": list(decision.conditions),
        "fees": decision.fees,
        "opt_outs": decision.opt_outs,
        "revoked": case.revoked,
    }
