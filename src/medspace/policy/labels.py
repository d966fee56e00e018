"""Labels: what the holder says of an asset, whatever a contract says; they only ever take away.

Purpose, validity and place are the data labels that must all permit, together with the agreement (trust.md 6.1).
A label is decided as the policy that it amounts to; an asset without one is closed.
"""

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import stamp
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.policy import rules
from medspace.policy.actions import ACTIONS, DOWNLOAD
from medspace.policy.errors import InvalidLabelError
from medspace.policy.model import Atomic, Flaw, Label, Policy, PolicyKind, Rule, Sensitivity, UseRequest
from medspace.policy.operands import UnreadableConstraintError, atomic
from medspace.policy.points import Point

KEPT = 256  # labels that stay read
LONGEST_KEPT = 8_192  # bytes of a label that stays read
_MEMBERS = frozenset(Label.__dataclass_fields__)
_LISTS = ("kinds", "purposes", "regions")


def decide(label: Label | None, request: UseRequest, point: Point = Point.COMPUTE) -> Decision:
    """Whether the label of the asset allows what is asked.

    At a point before the use begins a purpose that is not stated yet is left to that point. The code of a denial is
    `label.` and the part of the label that stands against it; `label.absent` where there is none.
    """
    if label is None:
        return _closed("label.absent", Text(msgid("The asset has a label.")))
    empty = next((name for name in _LISTS if not getattr(label, name)), None)
    if empty is not None:
        return _closed(f"label.{empty}", Text(msgid("The label says what is allowed.")))
    decision = rules.decide(_policy(label), request, point)
    if decision.permitted:
        return replace(decision, code="label.permitted")
    premises = tuple(_named(premise) for premise in decision.premises)
    return Decision(decision.verdict, premises[0].clause, premises)


def _closed(code: str, asked: Text) -> Decision:
    remedy = Text(msgid("Ask the data holder to label the asset."))
    premise = Premise(code, asked, Text(msgid("It does not.")), satisfied=False, remedy=remedy)
    return Decision(Verdict.DENY, code, (premise,))


def _named(premise: Premise) -> Premise:
    return replace(premise, clause="label.kinds") if premise.clause == "/permission" else premise


@lru_cache(maxsize=1024)
def _policy(label: Label) -> Policy:
    """The policy that a label amounts to; its clauses are the parts of the label."""
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
    # Data that are not public are used where they are (Regulation (EU) 2025/327, Article 73).
    barred = (Rule(DOWNLOAD, "label.sensitivity"),) if label.sensitivity is Sensitivity.NON_PUBLIC else ()
    return Policy(
        id="label",
        kind=PolicyKind.OFFER,
        permissions=tuple(Rule(kind, "label.kinds", tuple(constraints)) for kind in label.kinds),
        prohibitions=barred,
        flaws=tuple(flaws),
    )


def parse(document: Json) -> Label | None:
    """The label that this JSON says; None stays None: the asset has no label.

    Members: `purposes`, `regions`, `kinds` (lists of text), `valid_from`, `valid_until` (RFC 3339 with a zone),
    `sensitivity` (public, restricted, non-public), `review` (true: a person looks at each result before it leaves).

    Raises:
        InvalidLabelError: a member is unknown, of the wrong type, or names something that the vocabularies lack.
    """
    if document is None:
        return None
    with suppress(TypeError, ValueError, RecursionError):  # what is no JSON is told below; so is what is no label
        text = msgspec.json.encode(document)
        if len(text) <= LONGEST_KEPT:
            return _kept(text)
    return _parse(document)


@lru_cache(maxsize=KEPT)
def _kept(text: bytes) -> Label:
    # Every step of every use looks at the label of its asset; from the text, so that it depends on the text alone.
    return _parse(msgspec.json.decode(text))


def _parse(document: Json) -> Label:
    unknown = sorted(set(document) - _MEMBERS) if isinstance(document, dict) else []
    if unknown:
        raise InvalidLabelError(clause=str(unknown[0]), reason=Text(msgid("labels have no such member")))
    try:
        label = msgspec.convert(document, Label)
    except msgspec.ValidationError as error:
        raise InvalidLabelError(clause="label", reason=str(error)) from error
    check(label)
    return label


def check(label: Label) -> None:
    """Refuse a label that says something that cannot be checked.

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
    for flaw in _policy(label).flaws:
        raise InvalidLabelError(clause=flaw.clause.removeprefix("label."), reason=flaw.reason)


def write(label: Label) -> JsonObject:
    """The label as JSON, the same for the same label."""
    written: JsonObject = {name: list(getattr(label, name)) for name in _LISTS}
    written["sensitivity"] = label.sensitivity.value
    for name, instant in (("valid_from", label.valid_from), ("valid_until", label.valid_until)):
        if instant is not None:
            written[name] = stamp(instant)
    return written | ({"review": True} if label.review else {})
