"""Labels: what the holder says of an asset, independent of any contract. A label only ever restricts.

Purpose, validity and region are data labels that must all permit the use, as must the agreement (trust.md 6.1). A
label is decided by turning it into the equivalent policy; an asset without a label is closed.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import lru_cache

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import stamp
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.instants import BoundError, bound
from medspace.core.misfits import MisfitError, fit, nearest
from medspace.core.text import Text, msgid
from medspace.policy import laws, portions, rules
from medspace.policy.actions import ACTIONS, DOWNLOAD
from medspace.policy.errors import InvalidLabelError
from medspace.policy.model import Atomic, Flaw, Label, Policy, PolicyKind, Rule, Sensitivity, UseRequest
from medspace.policy.operands import UnreadableConstraintError, atomic
from medspace.policy.points import Point

KEPT = 256  # how many parsed labels are cached
LONGEST_KEPT = 8_192  # bytes; longer labels are not cached
_MEMBERS = frozenset(Label.__dataclass_fields__)
_LISTS = ("kinds", "purposes", "regions")
_PARTS = (*_LISTS, "valid_from", "valid_until", "sensitivity")  # parts of a label that can lead to a denial
_UNCOVERED = ("/permission", "request.action")  # clauses for a kind of use that the label does not name
CODES = frozenset(f"label.{part}" for part in ("absent", *_PARTS))
_ENDS = {"valid_from": False, "valid_until": True}  # True: a day means its last instant


def decide(label: Label | None, request: UseRequest, point: Point = Point.COMPUTE) -> Decision:
    """Whether the label of the asset allows what is asked.

    At a point before the use begins, a purpose that has not been stated yet is left to a later point. The code of a
    denial is `label.` plus the part of the label that denies the request, or `label.absent` where there is no label.
    """
    if label is None:
        return _closed("label.absent", Text(msgid("The asset has a label.")))
    empty = next((name for name in _LISTS if not getattr(label, name)), None)
    if empty is not None:
        return _closed(f"label.{empty}", Text(msgid("The label says what is allowed.")))
    decision = rules.decide(_policy(label), request, point)
    if decision.permitted:
        under = laws.decide(label.laws, request, point)
        return replace(decision, code="label.permitted") if under.permitted else under
    premises = tuple(_named(premise) for premise in decision.premises)
    return Decision(decision.verdict, premises[0].clause, premises)


def _closed(code: str, asked: Text) -> Decision:
    remedy = Text(msgid("Ask the data holder to label the asset."))
    premise = Premise(code, asked, Text(msgid("It does not.")), satisfied=False, remedy=remedy)
    return Decision(Verdict.DENY, code, (premise,))


def _named(premise: Premise) -> Premise:
    return replace(premise, clause="label.kinds") if premise.clause in _UNCOVERED else premise


@lru_cache(maxsize=1024)
def _policy(label: Label) -> Policy:
    """The policy that is equivalent to a label; its clauses are the parts of the label."""
    flaws: list[Flaw] = []
    constraints: list[Atomic] = []
    for name, operand, comparison, right in (
        ("purposes", "purpose", "isAnyOf", label.purposes),
        ("regions", "spatial", "isAnyOf", label.regions),
        ("valid_from", "dateTime", "gteq", label.valid_from and (stamp(label.valid_from),)),
        ("valid_until", "dateTime", "lteq", label.valid_until and (stamp(label.valid_until),)),
    ):
        if right:
            try:
                constraints.append(atomic(operand, comparison, right, f"label.{name}"))
            except UnreadableConstraintError as error:
                flaws.append(Flaw(f"label.{name}", error.reason, ", ".join(right)))
    # Data that are not public are used where they are kept (Regulation (EU) 2025/327, Article 73).
    barred = (Rule(DOWNLOAD, "label.sensitivity"),) if label.sensitivity is Sensitivity.NON_PUBLIC else ()
    return Policy(
        id="label",
        kind=PolicyKind.OFFER,
        permissions=tuple(Rule(kind, "label.kinds", tuple(constraints)) for kind in label.kinds),
        prohibitions=barred,
        flaws=tuple(flaws),
    )


def parse(document: Json) -> Label | None:
    """Parse a label from JSON; None stays None: the asset has no label.

    Members: `purposes`, `regions`, `kinds` (lists of text), `valid_from`, `valid_until` (days or instants),
    `sensitivity` (public, restricted, non-public), `events`, `states`, `laws` (lists of text), `origin`, `columns`
    and `rows` (lists of labels of parts, see `portions`), `review` (true: one person reviews each result before it
    leaves; 2: two persons do).

    Raises:
        InvalidLabelError: a member is unknown, has the wrong type, or names a term that is not in the vocabularies.
    """
    if document is None:
        return None
    with suppress(
        TypeError, ValueError, RecursionError
    ):  # what is not JSON, and what is not a label, is reported below
        text = msgspec.json.encode(document)
        if len(text) <= LONGEST_KEPT:
            return _label_of_bytes(text)
    return _parse(document)


@lru_cache(maxsize=KEPT)
def _label_of_bytes(text: bytes) -> Label:
    # Each step of each use checks the label of its asset, so parsed labels are cached, by their text alone.
    return _parse(msgspec.json.decode(text))


def _parse(document: Json) -> Label:
    unknown = sorted(str(name) for name in set(document) - _MEMBERS) if isinstance(document, dict) else []
    if unknown:
        raise InvalidLabelError(clause=unknown[0], reason=_no_member(unknown[0]))
    try:
        label = fit(_with_days(document), Label)
    except BoundError as error:
        raise InvalidLabelError(clause="label", reason=error.reason) from error
    except MisfitError as error:
        raise InvalidLabelError(clause="label", reason=error.reason) from error
    check(label)
    return label


def _with_days(document: Json) -> Json:
    """The label with its days replaced by their first or last instants; values of other types are reported later."""
    if not isinstance(document, dict):
        return document
    bounds = {name: document.get(name) for name in _ENDS if isinstance(document.get(name), str | date)}
    listed = {name: document[name] for name in ("columns", "rows") if isinstance(document.get(name), list)}
    document = document | {name: [_with_days(one) for one in parts] for name, parts in listed.items()}
    return document | {name: stamp(bound(value, last=_ENDS[name])) for name, value in bounds.items()}


def _no_member(name: str) -> Text:
    near = nearest(name, sorted(_MEMBERS))
    if near is None:
        return Text(msgid("labels have no such member"))
    return Text(msgid("labels have no such member (did you mean {near}?)"), {"near": near})


def check(label: Label) -> None:
    """Refuse a label with a statement that cannot be checked.

    Raises:
        InvalidLabelError: an unknown purpose, region or action, or a time without a zone.
    """
    for instant in (label.valid_from, label.valid_until):
        if instant is not None and instant.tzinfo is None:
            raise InvalidLabelError(clause="label", reason=Text(msgid("a time needs its time zone")))
    for kind in label.kinds:
        if kind not in ACTIONS:
            reason = Text(msgid("the action {name} is not known"), {"name": kind})
            raise InvalidLabelError(clause="kinds", reason=reason)
    portions.check(label)
    for flaw in _policy(label).flaws:
        raise InvalidLabelError(clause=flaw.clause.removeprefix("label."), reason=flaw.reason)


def write(label: Label) -> JsonObject:
    """The label as JSON; equal labels give equal JSON."""
    written: JsonObject = {name: list(getattr(label, name)) for name in _LISTS}
    written["sensitivity"] = label.sensitivity.value
    for name, instant in (("valid_from", label.valid_from), ("valid_until", label.valid_until)):
        if instant is not None:
            written[name] = stamp(instant)
    said: JsonObject = {
        name: list(getattr(label, name)) for name in ("events", "states", "laws") if getattr(label, name)
    }
    said |= {"origin": label.origin} if label.origin else {}
    said |= {name: portions.write(getattr(label, name)) for name in ("columns", "rows") if getattr(label, name)}
    return written | said | ({"review": label.review} if label.review else {})
