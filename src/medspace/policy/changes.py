"""What differs between two policies, clause by clause, and which of it allows more than before or less. Pure.

All conditions of a rule must hold, so one more of them is stricter and one fewer is looser, and the other way round
for a prohibition. Of two conditions on the same operand the one that implies the other is the stricter one, as
`clashes` decides it by trying all situations. What cannot be compared is told as different, never as harmless.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TypeVar

from medspace.core.text import Text, msgid
from medspace.policy import clashes, duties, odrl, words
from medspace.policy.model import Atomic, Constraint, Policy, PolicyKind, Rule

T = TypeVar("T")


class Effect(StrEnum):
    """What a change does to what is allowed."""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    DIFFERS = "differs"


_OPPOSITE = {Effect.LOOSENS: Effect.TIGHTENS, Effect.TIGHTENS: Effect.LOOSENS, Effect.DIFFERS: Effect.DIFFERS}
_WORDS = {
    Effect.LOOSENS: msgid("Allows more: {change}"),
    Effect.TIGHTENS: msgid("Allows less: {change}"),
    Effect.DIFFERS: msgid("Different: {change}"),
}


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One change: the sentences before and after it, None where there is none, and its effect."""

    effect: Effect
    before: Text | None
    after: Text | None

    @property
    def text(self) -> Text:
        """The change as a sentence."""
        facts = {"before": self.before or Text(""), "after": self.after or Text("")}
        if self.before is None:
            said = Text(msgid("New: {line}"), {"line": facts["after"]})
        elif self.after is None:
            said = Text(msgid("No longer: {line}"), {"line": facts["before"]})
        else:
            said = Text(msgid("Instead of: {before} Now: {after}"), facts)
        return Text(_WORDS[self.effect], {"change": said})


def compare(before: Policy, after: Policy) -> list[PolicyChange]:
    """What differs, in the order of the rules; a policy with a flaw allows nothing and is compared by its words."""
    if before.flaws or after.flaws:
        return list(_said(words.describe(before), words.describe(after)))
    before, after = _whose(before), _whose(after)
    found: list[PolicyChange] = []
    for old, new in _pairs(before.permissions, after.permissions, _same_right):
        found += _rule(old, new, words.permits, Effect.TIGHTENS)
        if old is not None and new is not None:
            found += _duties(old.duties, new.duties)
    for old, new in _pairs(before.prohibitions, after.prohibitions, _same_right):
        found += _rule(old, new, words.bars, Effect.LOOSENS)
    return found + list(_duties(before.obligations, after.obligations))


def _whose(policy: Policy) -> Policy:
    """A policy each of whose rules names whom it is for, where the policy names somebody for all of them."""
    if policy.assignee is None or policy.kind is PolicyKind.AGREEMENT:
        return policy
    named = partial(_named, policy.assignee)
    return replace(policy, permissions=named(policy.permissions), prohibitions=named(policy.prohibitions))


def _named(party: str, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    return tuple(replace(rule, assignee=rule.assignee or party) for rule in rules)


def _same_right(one: Rule, other: Rule) -> bool:
    return (one.action, one.target, one.assignee) == (other.action, other.target, other.assignee)


def _rule(
    old: Rule | None, new: Rule | None, say: Callable[[Rule], list[Text]], gone: Effect
) -> Iterator[PolicyChange]:
    """The changes of a rule, which is said whole where it comes or goes; `gone` is the effect of its going."""
    if old is None or new is None:
        effect = gone if new is None else _OPPOSITE[gone]
        yield PolicyChange(effect, *(words.together(say(one)) if one else None for one in (old, new)))
        return
    for change in _conditions(old.constraints, new.constraints):
        effect = change.effect if gone is Effect.TIGHTENS else _OPPOSITE[change.effect]
        yield PolicyChange(effect, change.before, change.after)


def _conditions(before: Sequence[Constraint], after: Sequence[Constraint]) -> Iterator[PolicyChange]:
    kept = {odrl.meaning_of(one) for one in before} & {odrl.meaning_of(one) for one in after}
    old, new = ([one for one in some if odrl.meaning_of(one) not in kept] for some in (before, after))
    for one, other in _pairs(old, new, _comparable):
        said = (words.condition(one) if one else None, words.condition(other) if other else None)
        yield PolicyChange(_effect(one, other), *said)


def _comparable(one: Constraint, other: Constraint) -> bool:
    return isinstance(one, Atomic) and isinstance(other, Atomic) and one.operand == other.operand


def _effect(one: Constraint | None, other: Constraint | None) -> Effect:
    if one is None or other is None:
        return Effect.LOOSENS if other is None else Effect.TIGHTENS
    if clashes.implies(other, one):
        return Effect.TIGHTENS
    return Effect.LOOSENS if clashes.implies(one, other) else Effect.DIFFERS


def _duties(before: Sequence[Rule], after: Sequence[Rule]) -> Iterator[PolicyChange]:
    for old, new in _pairs(before, after, _same_right):
        if old is None or new is None:
            effect = Effect.LOOSENS if new is None else Effect.TIGHTENS
            yield PolicyChange(effect, words.duty(old) if old else None, words.duty(new) if new else None)
        elif duties.length(old) != duties.length(new):
            effect = Effect.LOOSENS if duties.length(new) > duties.length(old) else Effect.TIGHTENS
            yield PolicyChange(effect, words.duty(old), words.duty(new))


def _pairs(
    before: Sequence[T], after: Sequence[T], alike: Callable[[T, T], bool]
) -> Iterator[tuple[T | None, T | None]]:
    """Each old part with the first new one that it is compared with; then the new ones that are left."""
    left = list(after)
    for one in before:
        other = next((each for each in left if alike(one, each)), None)
        if other is not None:
            left.remove(other)
        yield one, other
    yield from ((None, other) for other in left)


def _said(before: Sequence[Text], after: Sequence[Text]) -> Iterator[PolicyChange]:
    yield from (PolicyChange(Effect.DIFFERS, line, None) for line in before if line not in after)
    yield from (PolicyChange(Effect.DIFFERS, None, line) for line in after if line not in before)
