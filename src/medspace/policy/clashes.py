"""What clashes in the terms of an offer, with the fewest clauses that make it so.

Each operand has few situations that its comparisons can tell apart (before, at and after each instant; each purpose),
so whether conditions can hold together is decided by trying them all, narrowing as soon as one cannot hold. Found are
permissions that can never be used, permissions of which prohibitions leave nothing, and clauses that say nothing that
others do not say already.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import combinations
from typing import Any

from medspace.core.text import Text, msgid
from medspace.policy import actions, words
from medspace.policy.actions import LEAVES, covers, touches
from medspace.policy.logic import ELSEWHERE, LOGIC, NO, UNDECIDED, YES, Outcomes, conjunction, outcome
from medspace.policy.model import Atomic, Constraint, Policy, Rule, leaves
from medspace.policy.operands import UnreadableConstraintError, atomic
from medspace.policy.situations import VOCABULARIES, countable, dimension_of, holds, situations

MOST_STEPS = 500_000  # comparisons made for one policy, in a few seconds at most; beyond that, nothing is claimed

NEVER_USABLE, ALL_PROHIBITED, REDUNDANT = "policy.never_usable", "policy.all_prohibited", "policy.redundant"
CODES = frozenset({NEVER_USABLE, ALL_PROHIBITED, REDUNDANT})


@dataclass(frozen=True, slots=True)
class Clash:
    """One clash: its code, what it means, and its clauses as JSON pointers with their words."""

    code: str
    sentence: Text
    clauses: tuple[tuple[str, Text], ...]

    @property
    def text(self) -> Text:
        """What clashes, with the words of its clauses, in one sentence."""
        said = words.listed([text for _, text in self.clauses])
        return Text(msgid("{sentence} It is about: {clauses}."), {"sentence": self.sentence, "clauses": said})


@dataclass(frozen=True, slots=True)
class Demand:
    """A conjunction that must come out as one of these outcomes."""

    constraints: tuple[Constraint, ...]
    wanted: Outcomes


class _TooManyError(Exception):
    """More situations than are tried."""


class _Trials:
    """How many steps are left for all the questions of one check."""

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def impossible(self, demands: Sequence[Demand], now: datetime | None) -> bool:
        """Whether no situation meets all these demands; False also where it would take too long to say."""
        try:
            search = _Search(demands, now, self)
            return not search.found({}, search.order)
        except _TooManyError:
            return False

    def step(self, steps: int = 1) -> None:
        """Count what is tried.

        Raises:
            _TooManyError: nothing is left.
        """
        self.left -= steps
        if self.left < 0:
            raise _TooManyError


def implies(one: Constraint, other: Constraint) -> bool:
    """Whether `other` holds in each situation in which `one` does; False also where it would take too long to say."""
    return _follows((one,), other, _Trials())


def clashes(policy: Policy, now: datetime | None = None) -> list[Clash]:
    """The clashes of a policy, the gravest first; of one with a flaw, nothing is told.

    `now`, with its zone, leaves out what has passed: an offer that has ended can never be used. What is too involved
    to be tried is not claimed to clash.
    """
    if policy.flaws:
        return []
    trials = _Trials()
    found = [
        *_unusable(policy, now, trials),
        *_prohibited(policy, now, trials),
        *_redundant(policy, now, trials),
    ]
    # A clash that a later search finds again has the same clauses.
    return list({tuple(sorted(name for name, _ in one.clauses)): one for one in reversed(found)}.values())[::-1]


# --- permissions that nobody can use ----------------------------------------------------------------------------


def _unusable(policy: Policy, now: datetime | None, trials: _Trials) -> Iterator[Clash]:
    for rule in policy.permissions:
        if _never(_conditions(rule, policy), now, trials):
            core = _smallest(_conditions(rule, policy), trials, lambda some: _never(some, now, trials))
            said = msgid("The permission to {action} can never be used: these conditions cannot hold together.")
            ended = msgid("The permission to {action} cannot be used any more: its time has passed.")
            past = now is not None and not _never(_conditions(rule, policy), None, trials)
            yield _clash(NEVER_USABLE, ended if past else said, rule, core)


def _never(constraints: Sequence[Constraint], now: datetime | None, trials: _Trials) -> bool:
    return trials.impossible([Demand(tuple(constraints), YES)], now)


def _prohibited(policy: Policy, now: datetime | None, trials: _Trials) -> Iterator[Clash]:
    for rule in policy.permissions:
        barring = [bar for bar in policy.prohibitions if _same_target(rule, bar)]
        mine = _conditions(rule, policy)
        if barring and not _never(mine, now, trials) and _dead(rule, mine, barring, policy, now, trials):
            yield _nothing_left(rule, barring, policy, now, trials)


def _nothing_left(
    rule: Rule, barring: Sequence[Rule], policy: Policy, now: datetime | None, trials: _Trials
) -> Clash:
    mine = _conditions(rule, policy)
    fewest = _smallest(barring, trials, lambda some: _dead(rule, mine, some, policy, now, trials))
    needed = _smallest(mine, trials, lambda some: _dead(rule, some, fewest, policy, now, trials), least=0)
    said = msgid("The permission to {action} allows nothing: what it allows is prohibited.")
    others = [(bar.clause, words.forbids(bar)) for bar in fewest]
    own = [(rule.clause, words.allows(rule.action)), *((one.clause, words.phrase(one)) for one in needed)]
    return Clash(ALL_PROHIBITED, _said(said, rule), (*own, *others))


def _dead(
    rule: Rule,
    mine: Sequence[Constraint],
    barring: Sequence[Rule],
    policy: Policy,
    now: datetime | None,
    trials: _Trials,
) -> bool:
    """Whether each kind of use that a permission covers is barred in every situation in which it is allowed."""
    for leaf in LEAVES:
        if covers(rule.action, leaf):
            bars = [Demand(_conditions(bar, policy, own=True), NO) for bar in barring if touches(bar.action, leaf)]
            if not trials.impossible([Demand(tuple(mine), YES), *bars], now):
                return False
    return True


def _same_target(rule: Rule, bar: Rule) -> bool:
    return bar.target is None or bar.target == rule.target


# --- clauses that say nothing new -------------------------------------------------------------------------------


def _redundant(policy: Policy, now: datetime | None, trials: _Trials) -> Iterator[Clash]:
    usable = [rule for rule in policy.permissions if not _never(_conditions(rule, policy), now, trials)]
    for rule in (*usable, *policy.prohibitions):
        yield from _implied(rule, trials)
    yield from _covered(usable, policy, trials)
    yield from _barred_twice(policy, trials)
    for duties in (policy.obligations, *(rule.duties for rule in policy.permissions)):
        for first, second in combinations(duties, 2):
            if first.action == second.action and first.target == second.target:
                said = Text(msgid("The same duty is there twice."))
                yield Clash(REDUNDANT, said, tuple((one.clause, words.duty(one)) for one in (first, second)))


def _implied(rule: Rule, trials: _Trials) -> Iterator[Clash]:
    """Conditions of a rule that hold whenever the others do; of two that say the same, the later one."""
    left = list(rule.constraints)
    for one in reversed(rule.constraints):
        others = [other for other in left if other is not one and _dimensions([other]) & _dimensions([one])]
        if others and _follows(others, one, trials):
            left = [other for other in left if other is not one]
            core = _smallest(others, trials, lambda some, one=one: _follows(some, one, trials))  # type: ignore[misc]
            said = msgid("A condition on the right to {action} says nothing new: the others say it already.")
            yield Clash(REDUNDANT, _said(said, rule), tuple((c.clause, words.phrase(c)) for c in (one, *core)))


def _follows(some: Sequence[Constraint], one: Constraint, trials: _Trials) -> bool:
    return trials.impossible([Demand(tuple(some), YES), Demand((one,), NO | UNDECIDED)], None)


def _covered(usable: Sequence[Rule], policy: Policy, trials: _Trials) -> Iterator[Clash]:
    """Permissions that allow nothing that another one does not allow."""
    dropped: set[str] = set()
    for narrow in reversed(usable):
        for wide in usable:
            if wide is narrow or wide.clause in dropped or not _within(narrow, wide):
                continue
            demands = [Demand(_conditions(narrow, policy), YES), Demand(_conditions(wide, policy), NO | UNDECIDED)]
            if trials.impossible(demands, None):
                dropped.add(narrow.clause)
                said = msgid("The permission to {action} says nothing new: another one allows all of it.")
                both = tuple((one.clause, words.allows(one.action)) for one in (narrow, wide))
                yield Clash(REDUNDANT, _said(said, narrow), both)
                break


def _within(narrow: Rule, wide: Rule) -> bool:
    owed = {duty.action for duty in narrow.duties}
    return (
        covers(wide.action, narrow.action)
        and wide.target in (None, narrow.target)
        and {duty.action for duty in wide.duties} <= owed
    )


def _barred_twice(policy: Policy, trials: _Trials) -> Iterator[Clash]:
    """Prohibitions that bar nothing, or nothing that another one does not bar."""
    dropped: set[str] = set()
    for bar in reversed(policy.prohibitions):
        own = _conditions(bar, policy, own=True)
        if own and trials.impossible([Demand(own, YES | UNDECIDED)], None):
            dropped.add(bar.clause)
            core = _smallest(
                own, trials, lambda some: trials.impossible([Demand(tuple(some), YES | UNDECIDED)], None)
            )
            said = msgid("The prohibition to {action} never applies: these conditions cannot hold together.")
            yield _clash(REDUNDANT, said, bar, core)
            continue
        for wide in policy.prohibitions:
            if wide is bar or wide.clause in dropped or not covers(wide.action, bar.action):
                continue
            theirs = _conditions(wide, policy, own=True)
            if wide.target in (None, bar.target) and trials.impossible(
                [Demand(own, YES | UNDECIDED), Demand(theirs, NO)], None
            ):
                dropped.add(bar.clause)
                said = msgid("The prohibition to {action} says nothing new: another one bars all of it.")
                yield Clash(
                    REDUNDANT, _said(said, bar), tuple((one.clause, words.forbids(one)) for one in (bar, wide))
                )
                break


# --- the smallest set -------------------------------------------------------------------------------------------


def _smallest(
    parts: Sequence[Any], trials: _Trials, clashing: Callable[[Sequence[Any]], bool], least: int = 1
) -> list[Any]:
    """The fewest of these that still clash; all of them are known to.

    First what can be left out is left out one by one; then fewer are tried, which gives a smallest set, and not just
    one of which nothing can be left out.
    """
    core = list(parts)
    for one in parts:
        fewer = [other for other in core if other is not one]
        if len(fewer) >= least and clashing(fewer):
            core = fewer
    for size in range(least, len(core)):
        for some in combinations(parts, size):
            if trials.left <= 0:
                return core
            if clashing(some):
                return list(some)
    return core


def _clash(code: str, sentence: str, rule: Rule, core: Sequence[Constraint]) -> Clash:
    return Clash(code, _said(sentence, rule), tuple((one.clause, words.phrase(one)) for one in core))


def _said(sentence: str, rule: Rule) -> Text:
    return Text(sentence, {"action": actions.words(rule.action)})


def _conditions(rule: Rule, policy: Policy, *, own: bool = False) -> tuple[Constraint, ...]:
    """The conditions of a rule, with the party that it is for; with `own`, only where the rule itself names one."""
    party = rule.assignee or (None if own else policy.assignee)
    if party is None:
        return rule.constraints
    try:
        return (*rule.constraints, atomic("recipient", "eq", (party,), f"{rule.clause}/assignee"))
    except UnreadableConstraintError:  # a party that is no DID; it is compared by name, and clashes with nothing
        return rule.constraints


# --- trying the situations --------------------------------------------------------------------------------------


def _dimensions(constraints: Sequence[Constraint]) -> set[str]:
    return {dimension_of(leaf) for leaf in leaves(tuple(constraints))}


class _Search:
    def __init__(self, demands: Sequence[Demand], now: datetime | None, trials: _Trials) -> None:
        self.demands, self.trials = demands, trials
        by_name: dict[str, list[Atomic]] = {}
        for demand in demands:
            for leaf in leaves(demand.constraints):
                by_name.setdefault(dimension_of(leaf), []).append(leaf)
        self.size = sum(map(len, by_name.values()))
        self.cells: dict[str, list[dict[int, Outcomes]]] = {}
        for name, found in by_name.items():
            trials.step(len(found) * (len(found) + 1))  # each is compared with the values of all
            self.cells[name] = _told_apart(name, found, now)
        self.order = sorted(self.cells, key=lambda name: len(self.cells[name]))

    def found(self, known: Mapping[int, Outcomes], left: Sequence[str]) -> bool:
        self.trials.step(self.size)
        for demand in self.demands:
            answers = (_judged(constraint, known) for constraint in demand.constraints)
            if not conjunction(answers) & demand.wanted:
                return False
        if not left:
            return True
        return any(self.found({**known, **cell}, left[1:]) for cell in self.cells[left[0]])


def _told_apart(name: str, found: Sequence[Atomic], now: datetime | None) -> list[dict[int, Outcomes]]:
    """What the comparisons on one dimension answer, once for each combination of answers that occurs.

    Raises:
        _TooManyError: a comparison tells apart more than is tried.
    """
    rows: Iterable[tuple[Outcomes, ...]]
    if not all(map(countable, found)):
        raise _TooManyError
    if name in VOCABULARIES:
        rows = zip(*(_answers(name, leaf) for leaf in found), strict=True)
    else:
        tried = situations(name, found, now)
        rows = (tuple(outcome(holds(leaf, held)) for leaf in found) for held in tried)
    return [dict(zip(map(id, found), answers, strict=True)) for answers in dict.fromkeys(rows)]


@lru_cache(maxsize=1024)
def _answers(name: str, leaf: Atomic) -> tuple[Outcomes, ...]:
    """What a comparison answers for each term of a closed vocabulary."""
    return tuple(outcome(holds(leaf, held)) for held in situations(name, (leaf,), None))


def _judged(constraint: Constraint, known: Mapping[int, Outcomes]) -> Outcomes:
    if isinstance(constraint, Atomic):
        # Not chosen yet: any answer may come, an undecided one too.
        return known.get(id(constraint), ELSEWHERE | UNDECIDED)
    return LOGIC[constraint.operator](_judged(part, known) for part in constraint.parts)
