"""A policy in plain words, and the sentences of the premises of a decision."""

from collections.abc import Sequence
from functools import lru_cache

from medspace.core.text import Fact, Text, msgid
from medspace.policy import actions, duties
from medspace.policy.budgets import noise, said_by_noise
from medspace.policy.logic import NO, YES, Outcomes
from medspace.policy.masks import masks, said_by_masks
from medspace.policy.model import Atomic, Constraint, Policy, PolicyKind, Rule, Value
from medspace.policy.operand import Operand
from medspace.policy.operands import OPERANDS, said
from medspace.policy.points import Point

_JOINED = {
    "and": msgid("under all of these conditions: {parts}"),
    "andSequence": msgid("under all of these conditions, in this order: {parts}"),
    "or": msgid("under at least one of these conditions: {parts}"),
    "xone": msgid("under exactly one of these conditions: {parts}"),
}

_REPLACES = msgid("This takes the place of the agreement {agreement}, which ends when this one is signed.")


def describe(policy: Policy) -> list[Text]:
    """The policy in plain words, one sentence per line: permissions, prohibitions, conditions and duties.

    A clause that cannot be put into words is shown as its JSON, never left out.
    """
    lines = [line for rule in policy.permissions for line in permits(rule)]
    lines = lines or [Text(msgid("Nothing is allowed."))]
    lines += [line for rule in policy.prohibitions for line in bars(rule)]
    lines += [duty(rule) for rule in policy.obligations]
    if policy.assignee and policy.kind is not PolicyKind.AGREEMENT:  # whom an agreement binds, it says by itself
        lines.insert(0, named(policy.assignee))
    if policy.replaces:
        lines.append(Text(_REPLACES, {"agreement": policy.replaces}))
    return lines + [
        Text(msgid("Untranslated clause {clause}: {json}"), {"clause": flaw.clause, "json": flaw.json})
        for flaw in policy.flaws
    ]


def difference(one: Policy, other: Policy) -> list[Text]:
    """The sentences that only `other` has, and those that only `one` has; empty where both say the same."""
    before, after = describe(one), describe(other)
    gone = [Text(msgid("No longer: {line}"), {"line": line}) for line in before if line not in after]
    return gone + [Text(msgid("New: {line}"), {"line": line}) for line in after if line not in before]


def permits(rule: Rule) -> list[Text]:
    """A permission in plain words, with its conditions and duties."""
    lines = [Text(msgid("You may {action}."), {"action": actions.words(rule.action)}), *_scope(rule)]
    said = (said_by_masks, said_by_noise)
    lines += [condition(part) for part in rule.constraints if not any(by(rule, part) for by in said)]
    promised, held = masks(rule), noise(rule)
    lines += [] if promised is None else [promised.promise]
    lines += [] if held is None else held.promise
    return lines + [duty(part) for part in rule.duties]


def bars(rule: Rule) -> list[Text]:
    """A prohibition in plain words, with whom and what it is about."""
    return [forbids(rule), *_scope(rule)]


def together(lines: Sequence[Text]) -> Text:
    """Several sentences as one text."""
    if len(lines) == 1:
        return lines[0]
    half = len(lines) // 2  # as in `listed`
    return Text(msgid("{first} {rest}"), {"first": together(lines[:half]), "rest": together(lines[half:])})


def _scope(rule: Rule) -> list[Text]:
    return [named(name) for name in (rule.target, rule.assignee) if name]


def condition(constraint: Constraint) -> Text:
    """A condition of a permission as a sentence."""
    if isinstance(constraint, Atomic):
        row = OPERANDS[constraint.operand]
        return Text(row.line, {"phrase": constraint.asked, "value": said(row, constraint.value, constraint.operator)})
    return Text(msgid("Only {phrase}."), {"phrase": phrase(constraint)})


def duty(rule: Rule) -> Text:
    """A duty as a sentence."""
    return duties.line(rule) or Text(msgid("You must {action}."), {"action": actions.words(rule.action)})


def phrase(constraint: Constraint) -> Text:
    """A constraint as part of a sentence, such as "for health research"."""
    if isinstance(constraint, Atomic):
        return constraint.asked
    return Text(_JOINED[constraint.operator], {"parts": listed([phrase(part) for part in constraint.parts])})


def listed(parts: Sequence[Text]) -> Text:
    """One text of several, which must not be none."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2  # split in halves: input from outside may be long, and must not cause equally deep nesting
    return Text(msgid("{first}; {rest}"), {"first": listed(parts[:half]), "rest": listed(parts[half:])})


# --- the sentences of premises --------------------------------------------------------------------------------


def forbids(rule: Rule) -> Text:
    """A prohibition as a sentence."""
    facts: dict[str, Fact | Text] = {"action": actions.words(rule.action)}
    if not rule.constraints:
        return Text(msgid("You may not {action}."), facts)
    parts = listed([phrase(part) for part in rule.constraints])
    # What holds together must not read like several prohibitions, each of which would forbid more.
    facts["conditions"] = Text(_JOINED["and"], {"parts": parts}) if len(rule.constraints) > 1 else parts
    return Text(msgid("You may not {action} {conditions}."), facts)


def asks(action: str) -> Text:
    """What was asked for."""
    return Text(msgid("You asked to {action}."), {"action": actions.words(action)})


def allows(action: str) -> Text:
    """The permission that an action needs."""
    return Text(msgid("A permission to {action}."), {"action": actions.words(action)})


def named(wanted: str) -> Text:
    """The only asset or party that a rule applies to."""
    return Text(msgid("This is about {name}."), {"name": wanted})


def states(row: Operand, held: Value | None) -> Text:
    """The actual value of an operand, as a sentence."""
    return given(None) if held is None else _states(row.name, held)


@lru_cache(maxsize=1_024, typed=True)
def _states(name: str, held: Value) -> Text:
    # The same few facts are said again in each premise of each decision.
    row = OPERANDS[name]
    return Text(
        row.states, {"held": ", ".join(map(str, held)) or "-" if isinstance(held, tuple) else said(row, held)}
    )


def given(held: str | None) -> Text:
    """What was stated, or that nothing was."""
    return Text(msgid("This was not stated.")) if held is None else Text(msgid("{held} was stated."), {"held": held})


def joint(outcomes: Outcomes) -> Text:
    """What is known about the constraints of a compound constraint."""
    return _JOINT.get(outcomes) or Text(
        msgid("This is checked later.") if outcomes & YES else msgid("This cannot be decided.")
    )


_JOINT = {YES: Text(msgid("This holds.")), NO: Text(msgid("This does not hold."))}


def later(point: Point) -> Text:
    """That a constraint is checked at a later point."""
    return Text(msgid("This is checked {point}."), {"point": point.words})


def alternatives(policy: Policy) -> Text:
    """What the policy allows instead."""
    allowed = [actions.words(action) for action in dict.fromkeys(rule.action for rule in policy.permissions)]
    if not allowed:
        return Text(msgid("Ask the data holder for other terms."))
    return Text(msgid("These terms allow you to: {actions}."), {"actions": listed(allowed)})
