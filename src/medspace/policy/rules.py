"""Decisions over policies: fail-closed, three-valued, each premise with what was asked and what held.

Semantics (ODRL Information Model 2.2, read as dataspace.md 4.3 says):

- An absent target, assignee or action of a rule matches all; the constraints of a rule hold together.
- A permission covers an action that is included in its own; a prohibition reaches an action that is part of
  its own or that includes it. A prohibition wins over every permission.
- A rule is active unless one of its duties was violated; a violated obligation closes the whole policy.
- What cannot be decided never becomes a permission, and never lifts a prohibition.
- Before its first enforcement point an operand that is not known yet is left to that point, if the use passes it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.policy import words
from medspace.policy.actions import ACTIONS, DUTIES, LEAVES, USE, covers, last_point, touches
from medspace.policy.duties import owing
from medspace.policy.logic import (
    ELSEWHERE,
    LOGIC,
    NO,
    UNDECIDED,
    YES,
    Outcomes,
    conjunction,
    negated,
    outcome,
    settled,
)
from medspace.policy.model import Atomic, Constraint, Logical, Policy, Rule, UseRequest, Value, leaves
from medspace.policy.operand import FINAL, Operand
from medspace.policy.operands import OPERANDS
from medspace.policy.points import ROAD, Point

CODES = frozenset(
    {
        *("policy.action_unknown", "policy.assignee", "policy.constraint", "policy.duty_violated"),
        *("policy.no_permission", "policy.prohibited", "policy.target", "policy.unenforceable"),
    }
)


@dataclass(frozen=True, slots=True)
class _Stand:
    """The context of a decision: who asks for what, at which point, and which point is the last on the road."""

    policy: Policy
    request: UseRequest
    action: str
    point: Point
    last: Point


class _Finding(NamedTuple):  # one per premise of every decision: a tuple is the cheapest record
    """One premise, its possible outcomes for the request, and the code of the decision that it would cause."""

    outcomes: Outcomes
    code: str
    premise: Premise


def decide(policy: Policy, request: UseRequest, point: Point) -> Decision:
    """Whether the policy allows what is asked, as far as can be decided at this point.

    A permit at an early point may hold premises that are still undecided (`satisfied` None), and says at which later
    point they are decided.
    """
    if policy.flaws:
        return _flawed(policy)
    if request.action is None:
        return _decide_any(policy, request, point)
    if request.action not in ACTIONS:
        asked = Text(msgid("An action that the data space knows."))
        premise = Premise("request.action", asked, words.asks(request.action), satisfied=False)
        return Decision(Verdict.UNENFORCEABLE, "policy.action_unknown", (premise,))
    return _decide(_Stand(policy, request, request.action, point, last_point(request.action)))


def _decide(stand: _Stand) -> Decision:
    policy, request = stand.policy, stand.request
    barred = [_prohibition(rule, stand) for rule in policy.prohibitions if touches(rule.action, stand.action)]
    barred += [_violated(duty) for duty in policy.obligations if duty.clause in request.violated]
    if any(finding.outcomes != YES for finding in barred):
        return _denied(barred)
    found = [_permission(rule, stand) for rule in policy.permissions if covers(rule.action, stand.action)]
    for findings in found:
        if all(finding.outcomes & YES for finding in findings):
            premises = tuple(finding.premise for finding in (*findings, *barred))
            return Decision(Verdict.PERMIT, "policy.permitted", premises)
    found.sort(key=_failures)  # the permission that comes closest to being granted first
    return _denied([finding for findings in found for finding in findings] or [_no_permission(stand)])


def _decide_any(policy: Policy, request: UseRequest, point: Point) -> Decision:
    """The first permitted action among the narrowest that a permission covers; otherwise the denial of the first."""
    asked = [leaf for leaf in LEAVES if any(covers(rule.action, leaf) for rule in policy.permissions)]
    decisions = [decide(policy, replace(request, action=leaf), point) for leaf in asked or [USE]]
    return next((decision for decision in decisions if decision.permitted), decisions[0])


def enforceable(
    policy: Policy, points: Collection[Point] = ROAD, duties: Collection[str] = frozenset(DUTIES)
) -> Decision:
    """Whether these points can enforce every clause of the policy; checked when it is offered, agreed and used.

    `duties` are the duties that some condition keeps, or checks.

    A fact that is known only from the result may be a condition of a permission, since the admission carries it to
    the gate; a prohibition cannot wait that long.
    """
    if policy.flaws:
        return _flawed(policy)
    premises = [
        _out_of_reach(leaf, rule, points)
        for rule in (*policy.permissions, *policy.prohibitions)
        for leaf in leaves(rule.constraints)
        if not any(point in OPERANDS[leaf.operand].places and point <= _end(rule) for point in points)
    ]
    premises += [
        _too_late(leaf)
        for rule in policy.prohibitions
        for leaf in leaves(rule.constraints)
        if OPERANDS[leaf.operand].since is Point.RELEASE
    ]
    premises += [_kept_by_nobody(duty) for duty in owing(policy) if duty.action not in duties]
    if premises:
        return Decision(Verdict.UNENFORCEABLE, "policy.unenforceable", tuple(premises))
    return Decision(Verdict.PERMIT, "policy.enforceable")


# --- one rule -------------------------------------------------------------------------------------------------


def _permission(rule: Rule, stand: _Stand) -> list[_Finding]:
    found = _scope(rule, stand)
    found += [_violated(duty) for duty in rule.duties if duty.clause in stand.request.violated]
    for constraint in rule.constraints:
        found += _condition(constraint, stand)
    return found or [_Finding(YES, "policy.permitted", _unconditional(rule, stand))]


def _unconditional(rule: Rule, stand: _Stand) -> Premise:
    return Premise(rule.clause, words.allows(rule.action), words.asks(stand.action), satisfied=True)


def _no_permission(stand: _Stand) -> _Finding:
    asked, held = words.allows(stand.action), words.asks(stand.action)
    premise = Premise("/permission", asked, held, satisfied=False, remedy=words.alternatives(stand.policy))
    return _Finding(NO, "policy.no_permission", premise)


def _prohibition(rule: Rule, stand: _Stand) -> _Finding:
    """A prohibition lets the request pass only where it does not apply.

    Where that is unknown, it denies the request.
    """
    scope = [finding.outcomes for finding in _scope(rule, stand)]
    met = conjunction(scope + [_judge(constraint, stand) for constraint in rule.constraints])
    clear = bool(met & NO)
    remedy = None if clear else words.alternatives(stand.policy)
    premise = Premise(rule.clause, words.forbids(rule), words.asks(stand.action), negated(settled(met)), remedy)
    return _Finding(YES if clear else NO, "policy.prohibited", premise)


def _violated(duty: Rule) -> _Finding:
    held = Text(msgid("This duty was violated."))
    remedy = Text(msgid("Settle the duty with the data holder."))
    premise = Premise(duty.clause, words.duty(duty), held, satisfied=False, remedy=remedy)
    return _Finding(NO, "policy.duty_violated", premise)


def _scope(rule: Rule, stand: _Stand) -> list[_Finding]:
    """What keeps the rule from applying to this asset and this user; empty where nothing does."""
    policy, request = stand.policy, stand.request
    found: list[_Finding] = []
    for name, wanted, held in (
        ("target", rule.target or policy.target, request.target),
        ("assignee", rule.assignee or policy.assignee, request.assignee),
    ):
        if wanted is not None and wanted != held:
            outcomes = UNDECIDED if held is None else NO
            remedy = Text(msgid("Use the agreement that was made for this asset and this user."))
            asked, stated = words.named(wanted), words.given(held)
            premise = Premise(f"{rule.clause}/{name}", asked, stated, settled(outcomes), remedy)
            found.append(_Finding(outcomes, f"policy.{name}", premise))
    return found


# --- one constraint -------------------------------------------------------------------------------------------


def _judge(constraint: Constraint, stand: _Stand) -> Outcomes:
    if isinstance(constraint, Logical):
        return LOGIC[constraint.operator](_judge(part, stand) for part in constraint.parts)
    row = OPERANDS[constraint.operand]
    return _compare(row, constraint, row.fact(stand.request), stand)


def _compare(row: Operand, constraint: Atomic, held: Value | None, stand: _Stand) -> Outcomes:
    early = stand.point < row.since <= stand.last
    if held is None:
        return ELSEWHERE if early else UNDECIDED
    answer = row.tests[constraint.operator](held, constraint.value)
    if early and row.drifts and FINAL.get(constraint.operator) is not answer:
        return ELSEWHERE
    return outcome(answer)


def _condition(constraint: Constraint, stand: _Stand) -> Sequence[_Finding]:
    """The finding on a constraint; if it is compound and not met, the findings on its parts follow."""
    if isinstance(constraint, Atomic):
        return (_comparison(constraint, stand),)
    outcomes = _judge(constraint, stand)
    premise = Premise(constraint.clause, words.phrase(constraint), words.joint(outcomes), settled(outcomes))
    own = _Finding(outcomes, "policy.constraint", premise)
    if outcomes & YES:
        return [own]
    return [own] + [finding for part in constraint.parts for finding in _condition(part, stand)]


def _comparison(constraint: Atomic, stand: _Stand) -> _Finding:
    row = OPERANDS[constraint.operand]
    fact = row.fact(stand.request)
    outcomes = _compare(row, constraint, fact, stand)
    if outcomes == YES:  # the common case: skip what only a refusal needs
        met = Premise(constraint.clause, constraint.asked, words.states(row, fact), satisfied=True)
        return _Finding(YES, row.code, met)
    held = words.later(row.since) if outcomes == ELSEWHERE else words.states(row, fact)
    remedy = None if outcomes & YES else _remedy(row, constraint, fact, stand)
    return _Finding(outcomes, row.code, Premise(constraint.clause, constraint.asked, held, settled(outcomes), remedy))


def _remedy(row: Operand, constraint: Atomic, fact: Value | None, stand: _Stand) -> Text:
    if fact is None and row.unstated:
        return Text(row.unstated)
    return Text(row.remedy) if row.helps is None else row.helps(constraint, stand.request)


# --- verdicts -------------------------------------------------------------------------------------------------


def _denied(findings: list[_Finding]) -> Decision:
    """A denial: the premises against the request come first, and the first of them gives the code."""
    ordered = sorted(findings, key=lambda finding: bool(finding.outcomes & YES))
    return Decision(Verdict.DENY, ordered[0].code, tuple(finding.premise for finding in ordered))


def _failures(findings: list[_Finding]) -> int:
    return sum(not finding.outcomes & YES for finding in findings)


def _flawed(policy: Policy) -> Decision:
    asked = Text(msgid("Every clause can be enforced."))
    remedy = Text(msgid("Ask for terms without this clause."))
    return Decision(
        Verdict.UNENFORCEABLE,
        "policy.unenforceable",
        tuple(Premise(flaw.clause, asked, flaw.reason, satisfied=False, remedy=remedy) for flaw in policy.flaws),
    )


def _end(rule: Rule) -> Point:
    # `use` stands for any kind of use: the given points say which kinds are offered.
    return Point.RELEASE if rule.action == USE else last_point(rule.action)


def _out_of_reach(leaf: Atomic, rule: Rule, points: Collection[Point]) -> Premise:
    """That no place on the road of a kind of use can enforce a condition, and which places could."""
    places = words.listed([point.words for point in OPERANDS[leaf.operand].places])
    passed = words.listed([point.words for point in points if point <= _end(rule)] or [Text(msgid("never"))])
    said = msgid("No point that this kind of use passes can check it: it passes {passed}, and this is for {places}.")
    held = Text(said, {"places": places, "passed": passed})
    remedy = Text(msgid("Offer a kind of use that runs beside the data, or leave this condition out."))
    return Premise(leaf.clause, leaf.asked, held, satisfied=False, remedy=remedy)


def _kept_by_nobody(duty: Rule) -> Premise:
    held = Text(msgid("Nothing here makes sure that this duty is fulfilled."))
    remedy = Text(msgid("Ask for terms without this clause."))
    return Premise(duty.clause, words.duty(duty), held, satisfied=False, remedy=remedy)


def _too_late(leaf: Atomic) -> Premise:
    held = Text(msgid("A prohibition cannot wait for the result."))
    remedy = Text(msgid("Say it as a condition of the permission."))
    return Premise(leaf.clause, leaf.asked, held, satisfied=False, remedy=remedy)
