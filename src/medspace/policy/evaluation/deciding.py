"""Evaluating whole ODRL policies: three-valued, with a report on each rule and each premise.

Semantics (ODRL Information Model 2.2, read as dataspace.md 4.3 says, and as `policy.rules` does where both apply):

- What is absent from a rule matches all; its constraints hold together. What cannot be decided is None: it never
  makes a permission active, and never clears a prohibition.
- A permission covers what its action includes. A prohibition reaches that, whatever includes it, and whatever
  implies something that it reaches.
- A duty is fulfilled by an event that meets it, and violated once its deadline has passed without one. A permission
  with a violated duty is inactive; a violated obligation closes the whole policy.
- A violated duty is settled by performing it late and fulfilling all its consequences; an infringed prohibition, by
  fulfilling all its remedies.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from medspace.core.decision import Verdict
from medspace.core.text import Text, msgid
from medspace.policy.evaluation.comparing import OPERATORS
from medspace.policy.evaluation.model import (
    ActionTree,
    Attempt,
    Condition,
    DutyState,
    Facts,
    Held,
    OdrlComparison,
    OdrlEvent,
    OdrlKind,
    OdrlPolicy,
    OdrlRule,
    OdrlScope,
    Strategy,
    World,
)
from medspace.policy.jsonld import malformed
from medspace.policy.logic import LOGIC, NO, UNDECIDED, YES, Outcomes, any_of, settled

CODES = frozenset(
    {
        *("policy.no_permission", "policy.prohibited", "policy.duty_violated"),
        *("policy.undecided", "policy.conflict"),
    }
)
_OUTCOMES: Mapping[bool | None, Outcomes] = {True: YES, False: NO, None: UNDECIDED}
_ENDS = frozenset({"lt", "lteq"})
_NOBODY: frozenset[str] = frozenset()


class PremiseReport(NamedTuple):
    """One premise: `satisfied` None where it could not be decided, `held` None where nothing is known.

    `about` is what was looked at: a left operand, a logical operator, or target, assignee and action. `parts` are the
    premises of a logical constraint, or the refinements of an action, asset or party.
    """

    about: str
    clause: str
    satisfied: bool | None
    operator: str = ""
    held: Held | None = None
    right: Held = ()
    parts: tuple["PremiseReport", ...] = ()


class RuleReport(NamedTuple):
    """One rule for one attempt: whether it was attempted, whether it is active, and why.

    `state` is that of a duty or a prohibition; `depends` reports on what hangs on the rule.
    """

    rule: OdrlRule
    attempted: bool | None
    active: bool | None
    state: DutyState
    premises: tuple[PremiseReport, ...]
    depends: tuple["RuleReport", ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What a policy says to one attempt; `code` is stable and names the reason of the verdict."""

    policy: str
    request: str
    time: datetime | None
    verdict: Verdict
    code: str
    rules: tuple[RuleReport, ...]

    @property
    def permitted(self) -> bool:
        """Whether it may happen."""
        return self.verdict is Verdict.PERMIT


def evaluate(policy: OdrlPolicy, attempt: Attempt, world: World) -> PolicyReport:
    """What the policy says to an attempt in this world.

    `world.parts` must have the policy's own `parts` in it, as `worlds.world` reads it.

    Raises:
        InvalidPolicyError: the policy is itself a request, which rules nothing.
    """
    if policy.kind is OdrlKind.REQUEST:
        raise malformed("/@type", Text(msgid("{name} is not a kind of policy that sets rules"), {"name": "Request"}))
    facts = _facts(attempt.facts, world, attempt.assignee)
    permissions = [_permission(rule, attempt, facts, world, policy.actions) for rule in policy.permissions]
    prohibitions = [_prohibition(rule, attempt, facts, world, policy.actions) for rule in policy.prohibitions]
    obligations = [_duty(rule, world, policy.actions) for rule in policy.obligations]
    code = _code(policy.strategy, permissions, prohibitions, obligations)
    verdict = Verdict.PERMIT if code == "policy.permitted" else Verdict.DENY
    rules = (*permissions, *prohibitions, *obligations)
    return PolicyReport(policy.id, attempt.id, world.now, verdict, code, rules)


def _facts(stated: Facts, world: World, assignee: str | None) -> dict[str, Held]:
    """What is known of an attempt: what the world says counts more than what the request says of itself."""
    facts = {**stated, **world.facts}
    facts.pop("dateTime", None)
    if world.now is not None:
        facts["dateTime"] = (world.now,)
    if assignee is not None:
        facts["recipient"] = facts["assignee"] = (assignee,)
    return facts


def _code(
    strategy: Strategy, permissions: list[RuleReport], prohibitions: list[RuleReport], obligations: list[RuleReport]
) -> str:
    if any(report.state is DutyState.VIOLATED for report in obligations):
        return "policy.duty_violated"
    allowed = [report.active for report in permissions]
    barred = [report.active for report in prohibitions]
    if True in allowed and strategy is Strategy.PERM:
        return "policy.permitted"
    if True in barred:
        return "policy.conflict" if True in allowed and strategy is Strategy.INVALID else "policy.prohibited"
    if None in barred:
        return "policy.undecided"
    if True in allowed:
        return "policy.permitted"
    return "policy.undecided" if None in allowed else "policy.no_permission"


# --- rules ----------------------------------------------------------------------------------------------------


def _permission(rule: OdrlRule, attempt: Attempt, facts: Facts, world: World, tree: ActionTree) -> RuleReport:
    covered = _included(attempt.action, rule.action, tree)
    premises = _premises(rule, attempt, facts, world, covered)
    duties = tuple([_duty(duty, world, tree) for duty in rule.depends])
    active = _together(premises)
    if any(duty.state is DutyState.VIOLATED for duty in duties):
        active = False
    return RuleReport(rule, _together(premises[:3]), active, DutyState.NOT_SET, tuple(premises), duties)


def _prohibition(rule: OdrlRule, attempt: Attempt, facts: Facts, world: World, tree: ActionTree) -> RuleReport:
    premises = _premises(rule, attempt, facts, world, _touched(attempt.action, rule.action, tree))
    remedies = tuple([_duty(remedy, world, tree) for remedy in rule.depends])
    state = DutyState.NOT_SET
    if any(_meets(event, rule, world, tree, late=False) for event in world.events):
        settled_by = remedies and all(remedy.state is DutyState.FULFILLED for remedy in remedies)
        state = DutyState.FULFILLED if settled_by else DutyState.VIOLATED
    return RuleReport(rule, _together(premises[:3]), _together(premises), state, tuple(premises), remedies)


def _premises(
    rule: OdrlRule,
    attempt: Attempt,
    facts: Facts,
    world: World,
    reached: bool | None,  # noqa: FBT001 - the value itself
) -> list[PremiseReport]:
    """The action, the target and the assignee first, in this order."""
    if rule.refinements:
        refined = tuple([_judge(one, facts, world) for one in rule.refinements])
        reached = _both(reached, _together(refined))
    else:
        refined = ()
    wanted = (rule.action,)
    found = [
        PremiseReport("action", rule.clause, reached, "", (attempt.action,), wanted, refined),
        _in_scope("target", rule.target, attempt.target, rule.clause, world),
        _in_scope("assignee", rule.assignee, attempt.assignee, rule.clause, world),
    ]
    found += [_judge(constraint, facts, world) for constraint in rule.constraints]
    return found


def _in_scope(about: str, scope: OdrlScope | None, named: str | None, clause: str, world: World) -> PremiseReport:
    held = None if named is None else (named,)
    if scope is None:
        return PremiseReport(about, clause, satisfied=True, held=held)
    if named is None:
        return PremiseReport(about, clause, None, "", None, _identity(scope))
    member = scope.id is None or named == scope.id or scope.id in world.parts.get(named, _NOBODY)
    if not scope.refinements or not member:
        return PremiseReport(about, clause, member, "", held, _identity(scope))
    own = world.properties.get(named, {})
    refined = tuple([_judge(one, own, world) for one in scope.refinements])
    return PremiseReport(about, clause, _together(refined), "", held, _identity(scope), refined)


def _identity(scope: OdrlScope) -> Held:
    return () if scope.id is None else (scope.id,)


# --- actions --------------------------------------------------------------------------------------------------


def _included(narrow: str, wide: str, tree: ActionTree) -> bool | None:
    """Whether an action is another one or included in it; None where one of them is unknown."""
    if narrow == wide:
        return True
    above = tree.broader.get(narrow)
    if above is None or wide not in tree.broader:
        return None
    return wide in above


def _touched(asked: str, forbidden: str, tree: ActionTree) -> bool | None:
    if _included(forbidden, asked, tree):
        return True
    implied = tree.implied.get(asked)
    if implied is None:
        return _included(asked, forbidden, tree)
    return any_of(_included(one, forbidden, tree) for one in (asked, *implied))


# --- duties ---------------------------------------------------------------------------------------------------


def _duty(rule: OdrlRule, world: World, tree: ActionTree) -> RuleReport:
    """The state of a duty; it is active as long as it is neither fulfilled nor can be any more."""
    consequences = tuple([_duty(one, world, tree) for one in rule.depends])
    facts = _facts({}, world, None)
    premises = tuple([_judge(one, facts, world) for one in rule.constraints])
    state = _state(rule, world, tree, consequences)
    done = any(_meets(event, rule, world, tree, late=True) for event in world.events)
    return RuleReport(rule, done, state is DutyState.NOT_SET, state, premises, consequences)


def _state(rule: OdrlRule, world: World, tree: ActionTree, consequences: tuple[RuleReport, ...]) -> DutyState:
    known = world.duties.get(rule.id)
    if known is None:
        if any(_meets(event, rule, world, tree, late=False) for event in world.events):
            return DutyState.FULFILLED
        known = DutyState.VIOLATED if _overdue(rule, world) else DutyState.NOT_SET
    if known is not DutyState.VIOLATED or not consequences:
        return known
    late = any(_meets(event, rule, world, tree, late=True) for event in world.events)
    settled_now = late and all(one.state is DutyState.FULFILLED for one in consequences)
    return DutyState.FULFILLED if settled_now else DutyState.VIOLATED


def _overdue(rule: OdrlRule, world: World) -> bool:
    """Whether a deadline of the duty has passed."""
    if world.now is None:
        return False
    facts: Facts = {"dateTime": (world.now,)}
    return any(_judge(one, facts, world).satisfied is False for one in _deadlines(rule.constraints))


def _deadlines(conditions: tuple[Condition, ...]) -> Iterator[OdrlComparison]:
    """The ends in time that a duty must meet in any case."""
    for one in conditions:
        if isinstance(one, OdrlComparison):
            if one.operand == "dateTime" and one.operator in _ENDS:
                yield one
        elif one.operator in ("and", "andSequence"):
            yield from _deadlines(one.parts)


def _meets(event: OdrlEvent, rule: OdrlRule, world: World, tree: ActionTree, *, late: bool) -> bool:
    """Whether an event is what the rule is about, for certain; `late` leaves its deadlines out."""
    if world.now is not None and event.time > world.now:
        return False  # what has not happened yet
    if _included(event.action, rule.action, tree) is not True:
        return False
    facts = {**event.facts, "dateTime": (event.time,)}
    if event.assignee is not None:
        facts["recipient"] = facts["assignee"] = (event.assignee,)
    scopes = (
        _in_scope("target", rule.target, event.target, rule.clause, world),
        _in_scope("assignee", rule.assignee, event.assignee, rule.clause, world),
    )
    conditions = (*rule.refinements, *rule.constraints)
    ends = tuple(_deadlines(rule.constraints)) if late else ()
    return all(scope.satisfied is True for scope in scopes) and all(
        _judge(one, facts, world, ends).satisfied is True for one in conditions
    )


# --- conditions -----------------------------------------------------------------------------------------------


def _judge(
    condition: Condition, facts: Facts, world: World, waived: tuple[OdrlComparison, ...] = ()
) -> PremiseReport:
    if type(condition) is OdrlComparison:
        held = facts.get(condition.operand)
        answer = None if held is None else OPERATORS[condition.operator](held, condition.right, world)
        if condition in waived:
            answer = True
        return PremiseReport(condition.operand, condition.clause, answer, condition.operator, held, condition.right)
    parts = tuple([_judge(part, facts, world, waived) for part in condition.parts])  # type: ignore[union-attr]
    outcomes = LOGIC[condition.operator](_OUTCOMES[part.satisfied] for part in parts)
    return PremiseReport(condition.operator, condition.clause, settled(outcomes), parts=parts)


def _together(premises: list[PremiseReport] | tuple[PremiseReport, ...]) -> bool | None:
    unknown = False
    for premise in premises:
        if premise.satisfied is False:
            return False
        unknown = unknown or premise.satisfied is None
    return None if unknown else True


def _both(one: bool | None, other: bool | None) -> bool | None:  # noqa: FBT001 - the values themselves
    if one is False or other is False:
        return False
    return None if one is None or other is None else True
