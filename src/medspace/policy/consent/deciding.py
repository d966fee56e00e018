"""What consents answer to a use. Deny overrides between consents; an exception overrides the rule that it is of.

Each tree is read twice: warily, where what is unknown speaks for denials and against permissions, and hopefully, the
other way round. Where only the hopeful reading permits, a person has to decide (`ConsentAnswer.ABSTAIN`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from medspace.policy import purposes
from medspace.policy.consent.model import (
    Consent,
    ConsentActor,
    ConsentAnswer,
    ConsentParty,
    ConsentRequest,
    Element,
    Finding,
    Provision,
    Span,
    Stance,
)
from medspace.policy.consent.reading import ACT_REASON
from medspace.policy.data import table

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_RANKS = {f"{CONFIDENTIALITY}|{code}": rank for rank, code in enumerate("ULMNRV")}
# For one element, what a tree says when read warily and hopefully, each with the clause that decided.
Said = tuple[Stance | None, str]
Effect = tuple[tuple[Said, Said], ...]  # one pair for each element of the request
SILENT: Said = (None, "")


@lru_cache(maxsize=1)
def _reasons() -> dict[str, tuple[str, ...]]:
    return {f"{ACT_REASON}|{one['code']}": tuple(one["purposes"]) for one in table("reasons")}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request about one element, with the spans of one consent as they stand now."""

    request: ConsentRequest
    element: Element
    now: tuple[bool, ...]  # by span: whether the present is within it
    data: tuple[tuple[bool, bool], ...]  # by span: whether the data surely, and possibly, lie within it


def effect(tree: Provision | None, marks: tuple[int, ...], request: ConsentRequest) -> Effect:
    """What a tree says of each element of a request; `marks` are those of its spans."""
    if tree is None or request.purpose is None or not marks[0] & 1:
        return ((SILENT, SILENT),) * len(request.elements)
    now = tuple(bool(mark & 1) for mark in marks)
    data = tuple((bool(mark & 2), bool(mark & 4)) for mark in marks)
    found: list[tuple[Said, Said]] = []
    for element in request.elements:
        asked = _Asked(request, element, now, data)
        found.append((_said(tree, asked, hopeful=False), _said(tree, asked, hopeful=True)))
    return tuple(found)


def unsure(found: Effect) -> Effect:
    """The effect of a consent of which it is not known whether it still counts: it permits nothing for sure."""
    return tuple((SILENT if wary[0] is Stance.PERMIT else wary, hope) for wary, hope in found)


def marks(spans: Sequence[Span], now: int, period: Span | None) -> tuple[int, ...]:
    """How the present, and the data, stand to each span: 1 present in it, 2 data surely in it, 4 possibly."""
    return tuple(
        (start <= now < end)
        | ((period is not None and start <= period[0] and period[1] <= end) << 1)
        | ((period is None or (start < period[1] and period[0] < end)) << 2)
        for start, end in spans
    )


def together(effects: Iterable[Effect]) -> tuple[ConsentAnswer, ...]:
    """What several consents of a patient answer together, for each element."""
    return tuple(_answer([one[at] for one in found]) for found in [list(effects)] for at in range(len(found[0])))


def findings(consents: Sequence[Consent], now: int, request: ConsentRequest) -> tuple[Finding, ...]:
    """As `together`, for whole consents, with the provision that decided; without consents, that there is none."""
    if request.purpose is None:
        return (Finding(ConsentAnswer.DENY, clause="purpose"),) * len(request.elements)
    named = [(one.id, effect(one.tree, marks(one.spans, now, request.period), request)) for one in consents]
    found: list[Finding] = []
    for at in range(len(request.elements)):
        said = [(identity, one[at]) for identity, one in named]
        answer = _answer([one for _, one in said])
        found.append(_finding(answer, said))
    return tuple(found)


def _answer(said: Sequence[tuple[Said, Said]]) -> ConsentAnswer:
    wary, hope = (_overriding([one[mode][0] for one in said]) for mode in (0, 1))
    if wary is Stance.PERMIT:
        return ConsentAnswer.ALLOW
    if hope is Stance.PERMIT:
        return ConsentAnswer.ABSTAIN
    return ConsentAnswer.DENY if hope is Stance.DENY or wary is Stance.DENY else ConsentAnswer.NONE


def _overriding(stances: Sequence[Stance | None]) -> Stance | None:
    if Stance.DENY in stances:
        return Stance.DENY
    return Stance.PERMIT if Stance.PERMIT in stances else None


def _finding(answer: ConsentAnswer, said: Sequence[tuple[str, tuple[Said, Said]]]) -> Finding:
    """The answer with the first provision that leads to it."""
    wanted = Stance.PERMIT if answer is ConsentAnswer.ALLOW else Stance.DENY
    for stance in (wanted, wanted.other):
        for identity, (wary, hope) in said:
            for one in (wary, hope):
                if one[0] is stance and answer is not ConsentAnswer.NONE:
                    return Finding(answer, identity, one[1])
    return Finding(answer)


def _said(rule: Provision, asked: _Asked, *, hopeful: bool) -> Said:
    """What a rule and its exceptions say: of a rule that may apply and may not, the worse of both, or the better."""
    if not _applies(rule, asked, surely=False):
        return SILENT
    found = _ruled(rule, asked, hopeful=hopeful)
    sought = Stance.PERMIT if hopeful else Stance.DENY
    return found if found[0] is sought or _applies(rule, asked, surely=True) else SILENT


def _ruled(rule: Provision, asked: _Asked, *, hopeful: bool) -> Said:
    """What a rule says that applies; among its exceptions that apply, a denial overrides."""
    found = [_said(one, asked, hopeful=hopeful) for one in rule.exceptions]
    for stance in (Stance.DENY, Stance.PERMIT):
        for one in found:
            if one[0] is stance:
                return one
    return rule.stance, rule.clause


def _applies(rule: Provision, asked: _Asked, *, surely: bool) -> bool:
    if rule.unread and surely:
        return False
    if rule.period is not None and not asked.now[rule.period]:
        return False
    if rule.data_period is not None and not asked.data[rule.data_period][0 if surely else 1]:
        return False
    return (
        _purposed(rule, asked.request, surely=surely)
        and _acts(rule, asked.request)
        and _acted_by(rule.actors, asked.request, surely=surely)
        and _about(rule.classes, asked.element.classes, surely=surely)
        and _about(rule.codes, asked.element.codes, surely=surely)
        and _labelled(rule, asked.element.labels, surely=surely)
    )


def _purposed(rule: Provision, request: ConsentRequest, *, surely: bool) -> bool:
    wanted = request.purpose or ""
    return not rule.purposes or any(_within(wanted, one, surely=surely) for one in rule.purposes)


def _within(wanted: str, code: str, *, surely: bool) -> bool:
    """Whether a use for a purpose is for that of a code; not surely where its purpose is the broader one."""
    named = _meant(code)
    if named is None:
        return not surely
    for one in named:
        inside = purposes.PURPOSES.within(wanted, one)
        if inside or (inside is None and not surely):
            return True
    return False


@lru_cache(maxsize=4_096)
def _meant(code: str) -> tuple[str, ...] | None:
    """The purposes that a code stands for; None where it is unknown."""
    reasons = _reasons()
    if code in reasons:
        return reasons[code]
    system, _, name = code.rpartition("|")
    for text in (name, f"{system}{name}", f"{system}#{name}"):
        found = purposes.canonical(text.replace("_", ":", 1) if text.startswith("DUO_") else text)
        if found is not None:
            return (found,)
    return None


def _acts(rule: Provision, request: ConsentRequest) -> bool:
    if not rule.actions:
        return True
    named = frozenset(rule.actions)
    return request.needs <= named if rule.stance is Stance.PERMIT else bool(request.touches & named)


def _acted_by(actors: tuple[ConsentActor, ...], request: ConsentRequest, *, surely: bool) -> bool:
    for party in ConsentParty:
        named = {one.name for one in actors if one.party is party}
        if not named:
            continue
        known = request.names.get(party, frozenset())
        unclear = party not in request.names or "" in named
        if not named & known and (surely or not unclear):
            return False
    return True


def _about(codes: tuple[str, ...], known: frozenset[str] | None, *, surely: bool) -> bool:
    if not codes:
        return True
    if known is None:
        return not surely
    return known <= frozenset(codes) and bool(known) if surely else not known.isdisjoint(codes)


def _labelled(rule: Provision, known: frozenset[str] | None, *, surely: bool) -> bool:
    """Confidentiality is ordered: a permission reaches up to its level, a denial down to it (HCS high-water mark)."""
    if not rule.labels:
        return True
    if known is None:
        return not surely
    return any(_label(rule.stance, one, known, surely=surely) for one in rule.labels)


def _label(stance: Stance, label: str, known: frozenset[str], *, surely: bool) -> bool:
    rank = _RANKS.get(label)
    if rank is None:
        return label in known
    ranks = [_RANKS[one] for one in known if one in _RANKS]
    if not ranks:
        return not surely
    return max(ranks) <= rank if stance is Stance.PERMIT else max(ranks) >= rank
