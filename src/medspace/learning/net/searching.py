"""Searching hyper-parameters inside a run: successive halving (Jamieson and Talwalkar 2016), by patients set apart.

All trials begin with the same weights and train for so many rounds, one after the other; the better half goes on for
as many again, until one is left, which trains on. What is better says the loss on the patients that each hospital set
apart, summed over all; patients held out are never looked at. Every site follows each decision, so nobody chooses.
"""

from dataclasses import dataclass, replace
from itertools import product

from medspace.core.canonical import JsonObject
from medspace.learning.net.errors import UnvalidatedError
from medspace.learning.net.model import NetState, TrialRecord, TrialStand

FEWEST_TRIALS, MOST_TRIALS = 2, 16


@dataclass(frozen=True, slots=True)
class Trial:
    """The values of one trial; None where they are not searched."""

    rate: float | None = None
    l2: float | None = None
    server_rate: float | None = None

    def document(self) -> JsonObject:
        """The values that are searched, as exact text."""
        named = {"rate": self.rate, "l2": self.l2, "server_rate": self.server_rate}
        return {name: repr(value) for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Search:
    """What is tried: all combinations of the values; each for `rounds` at a time."""

    rates: tuple[float, ...] = ()
    l2: tuple[float, ...] = ()
    server_rates: tuple[float, ...] = ()
    rounds: int = 4

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All of them, in an order that follows from the task."""
        values = (self.rates or (None,), self.l2 or (None,), self.server_rates or (None,))
        return tuple(Trial(*one) for one in product(*values))

    @property
    def cost(self) -> int:
        """The rounds of training until one trial is left."""
        found, alive = 0, len(self.trials)
        while alive > 1:
            found, alive = found + alive * self.rounds, halved(alive)
        return found

    def document(self) -> JsonObject:
        """The canonical form."""
        lists = {"rate": self.rates, "l2": self.l2, "server_rate": self.server_rates}
        return {name: [repr(value) for value in values] for name, values in lists.items() if values} | {
            "rounds": self.rounds
        }


def halved(count: int) -> int:
    """How many of so many trials go on."""
    return (count + 1) // 2


def begun(stand: NetState, trials: int) -> NetState:
    """The search begins: every trial with the first weights."""
    first = _stood(stand)
    return replace(stand, trials=tuple(replace(first, trial=place) for place in range(trials)), trial=0)


def alone(stand: NetState) -> bool:
    """Whether one trial is left."""
    return sum(not one.ended for one in stand.trials) == 1


def searched(stand: NetState, rounds: int) -> NetState:
    """Whose turn it is after a round of training: the same trial, the next, or the first of the better half.

    Raises:
        UnvalidatedError: no patients were set apart, at any site.
    """
    if alone(stand):
        return stand
    alive = [one.trial for one in stand.trials if not one.ended]
    if stand.stage + 1 < rounds:
        return replace(stand, stage=stand.stage + 1)
    saved = tuple(_stood(stand) if one.trial == stand.trial else one for one in stand.trials)
    later = [trial for trial in alive if trial > stand.trial]
    if later:
        return _loaded(replace(stand, trials=saved), later[0])
    saved = _fallen(saved, alive)
    return _loaded(replace(stand, trials=saved), next(one.trial for one in saved if not one.ended))


def _fallen(trials: tuple[TrialStand, ...], alive: list[int]) -> tuple[TrialStand, ...]:
    """The trials, of which the worse half trains no more; nothing is kept of these but their curves."""
    losses = {place: best.loss for place in alive if (best := trials[place].best) is not None}
    if len(losses) < len(alive):
        raise UnvalidatedError
    kept = sorted(alive, key=lambda place: (losses[place], place))[: halved(len(alive))]
    return tuple(
        one
        if one.ended or one.trial in kept
        else TrialStand(one.trial, losses=one.losses, checked=one.checked, ended=True)
        for one in trials
    )


def _stood(stand: NetState) -> TrialStand:
    """Where the trial stands that is trained now."""
    return TrialStand(
        trial=stand.trial,
        weights=stand.weights,
        previous=stand.previous,
        control=stand.control,
        first=stand.first,
        second=stand.second,
        best=stand.best,
        losses=stand.losses,
        checked=stand.checked,
    )


def records(search: Search, stand: NetState) -> list[TrialRecord]:
    """What became of each trial of a training that is done."""
    made = []
    for trial, one in zip(search.trials, stand.trials, strict=True):
        chosen = not one.ended
        losses, checked = (stand.losses, stand.checked) if chosen else (one.losses, one.checked)
        made.append(TrialRecord(trial.document(), len(losses), repr(min(checked)), chosen))
    return made


def _loaded(stand: NetState, trial: int) -> NetState:
    one = stand.trials[trial]
    return replace(
        stand,
        trial=trial,
        stage=0,
        weights=one.weights,
        previous=one.previous,
        control=one.control,
        first=one.first,
        second=one.second,
        best=one.best,
        losses=one.losses,
        checked=one.checked,
    )
