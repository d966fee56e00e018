"""Three-valued logic (Kleene's strong tables) over sets of possible outcomes.

An answer is YES, NO or UNDECIDED (a fact is missing, or terms cannot be compared). Where a later enforcement point
will decide a constraint, we only know that the answer will be YES or NO. So what is known is always a set of
outcomes, kept as bits: `ELSEWHERE = YES | NO`. A permission is open while YES is possible; a prohibition is clear
while NO is possible; UNDECIDED is neither, whatever happens later.
"""

from collections.abc import Callable, Iterable, Mapping

Outcomes = int

NO: Outcomes = 1
UNDECIDED: Outcomes = 2
YES: Outcomes = 4
ELSEWHERE: Outcomes = YES | NO

# Which answers the parts have given so far: NO and UNDECIDED as bits, YES counted up to two.
_State = tuple[int, int]


def outcome(answer: bool | None) -> Outcomes:  # noqa: FBT001 - the value itself
    """The outcome of a comparison; None becomes UNDECIDED."""
    if answer is None:
        return UNDECIDED
    return YES if answer else NO


def settled(outcomes: Outcomes) -> bool | None:
    """The answer, where it is certain and decided; else None."""
    return _SETTLED.get(outcomes)


_SETTLED = {YES: True, NO: False}


def conjunction(parts: Iterable[Outcomes]) -> Outcomes:
    """All of them: a single NO decides, an UNDECIDED prevents a YES."""
    return _combined(parts, _all)


def disjunction(parts: Iterable[Outcomes]) -> Outcomes:
    """At least one of them: a single YES decides."""
    return _combined(parts, _some)


def exactly_one(parts: Iterable[Outcomes]) -> Outcomes:
    """Exactly one of them (ODRL `xone`): a second YES decides."""
    return _combined(parts, _one)


def _all(state: _State) -> Outcomes:
    seen, _ = state
    return NO if seen & NO else (UNDECIDED if seen & UNDECIDED else YES)


def _some(state: _State) -> Outcomes:
    seen, yes = state
    return YES if yes else (UNDECIDED if seen & UNDECIDED else NO)


def _one(state: _State) -> Outcomes:
    seen, yes = state
    if yes > 1:
        return NO
    return UNDECIDED if seen & UNDECIDED else (YES if yes else NO)


def _combined(parts: Iterable[Outcomes], judge: Callable[[_State], Outcomes]) -> Outcomes:
    """The union of the outcomes over every choice of the parts' outcomes; there are at most twelve states."""
    states: set[_State] = {(0, 0)}
    for part in parts:
        states = {_seen(state, answer) for state in states for answer in (NO, UNDECIDED, YES) if part & answer}
    combined = 0
    for state in states:
        combined |= judge(state)
    return combined


def _seen(state: _State, answer: Outcomes) -> _State:
    seen, yes = state
    return (seen, min(yes + 1, 2)) if answer == YES else (seen | answer, yes)


# Decisions are made at one instant, so the order that `andSequence` asks for is the order of evaluation (ODRL
# Information Model 2.5.4); nothing happens between its parts, and it holds when all of them hold.
LOGIC: Mapping[str, Callable[[Iterable[Outcomes]], Outcomes]] = {
    "and": conjunction,
    "andSequence": conjunction,
    "or": disjunction,
    "xone": exactly_one,
}


def negated(answer: bool | None) -> bool | None:  # noqa: FBT001 - the value itself
    """Negation; None (unknown) stays None."""
    return None if answer is None else not answer


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether at least one is true; None (unknown) where none is true and at least one is unknown."""
    unknown = False
    for answer in answers:
        if answer:
            return True
        unknown = unknown or answer is None
    return None if unknown else False
