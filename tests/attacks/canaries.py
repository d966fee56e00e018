"""An audit of a claimed epsilon in one run: many canaries, each put in or not by a fair coin; an auditor guesses.

Steinke, Nasr, Jagielski, "Privacy auditing with one (1) training run" (NeurIPS 2023): coins of m canaries, each of
which changes the input to a neighbouring one; a guess for some of them, the auditor's choice, from what was released.
If the mechanism is (epsilon, delta)-DP, the number of right ones among r guesses is at least v with a probability of
no more than

    beta + 2 m delta max over i >= 1 of P[v - i <= B < v] / i,    beta = P[B >= v]

where B is binomial with r trials and chance e^epsilon / (1 + e^epsilon) (their theorem 5.2). So an epsilon at which
that is 5 % or less is refuted at a confidence of 95 %. Coins of several runs count as those of one: a canary of one
run changes no other.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from medspace.core.usage import Brakes
from medspace.learning.glm.noisy.planning import plan
from medspace.learning.glm.task import parse
from medspace.privacy.noise.accounting import cost, rho_of, sensitivity_for
from medspace.privacy.noise.clipping import clipped, quantised, scale_for, sensitivity
from medspace.privacy.noise.gaussian import draw, seeded
from medspace.privacy.noise.sigma import SIGMA
from tests.unit.learning.noisy import TASK, NoisyRun
from tests.unit.learning.simulated import PERSON

CONFIDENCE = 0.95
STEP, MOST = 0.005, 20.0  # of the epsilons that are looked at
CLAIMED, DELTA = 1.0, 1e-5
SHARES = 3
GUESSED = 0.1  # of the canaries of a run: those of which the auditor is surest


@dataclass(frozen=True)
class Audit:
    """How many canaries there were, of how many the auditor guessed the coin, and how many guesses were right."""

    canaries: int
    guesses: int
    right: int

    def __add__(self, other: "Audit") -> "Audit":
        return Audit(self.canaries + other.canaries, self.guesses + other.guesses, self.right + other.right)

    def chance(self, epsilon: float, delta: float) -> float:
        """The most that the chance of so many right guesses can be, if the mechanism keeps the epsilon."""
        by_one = 1.0 / (1.0 + math.exp(-epsilon))
        beta = float(binom.sf(self.right - 1, self.guesses, by_one))
        if not delta:
            return beta
        below = np.cumsum(binom.pmf(np.arange(self.right - 1, -1, -1), self.guesses, by_one))
        alpha = float((below / np.arange(1, self.right + 1)).max()) if self.right else 0.0
        return min(beta + 2.0 * self.canaries * delta * alpha, 1.0)

    def bound(self, delta: float, confidence: float = CONFIDENCE) -> float:
        """The largest epsilon that was found refuted, in steps of `STEP`; 0 where none is.

        What keeps an epsilon keeps every larger one: with one that is refuted, all smaller ones are.
        """
        refuted, kept = 0, round(MOST / STEP)
        while kept - refuted > 1:
            middle = (refuted + kept) // 2
            small = self.chance(middle * STEP, delta) <= 1.0 - confidence
            refuted, kept = (middle, kept) if small else (refuted, middle)
        return round(refuted * STEP, 4)


def guessed(scores: np.ndarray, coins: np.ndarray, share: float = GUESSED) -> Audit:
    """Guess the coins of the canaries whose scores are the farthest from 0, and no others'; coins are -1 or 1."""
    surest = np.argsort(-np.abs(scores))[: max(1, round(share * len(scores)))]
    right = int((np.sign(scores[surest]) == coins[surest]).sum())
    return Audit(len(scores), len(surest), right)


def noise(count: int, stream, parts: int, shares: int = SHARES) -> np.ndarray:
    """The noise of so many sites; `parts` divides it (the control), 0 stands for none."""
    if not parts:
        return np.zeros(count, dtype=np.int64)
    return sum(draw(count, stream) for _ in range(shares)) // parts


# --- a sum: each canary has a number of its own, and goes as far as clipping lets it --------------------------------
def audit_of_sums(runs: int, canaries: int = 250, parts: int = 1, seed: int = 1) -> Audit:
    """Every canary is a patient who says 2 or -2 in a column that nobody else has, clipped to 1."""
    scale = scale_for(sensitivity_for(rho_of(CLAIMED, DELTA), SHARES), 1.0, canaries)
    assert cost(sensitivity(1.0, scale, canaries) ** 2, SHARES) <= rho_of(CLAIMED, DELTA)
    chance, stream, found = np.random.default_rng(seed), seeded(seed.to_bytes(32, "big"), "sums"), Audit(0, 0, 0)
    for _ in range(runs):
        coins = chance.choice([-1, 1], canaries)
        total = np.array(quantised(clipped(np.diag(2.0 * coins), 1.0).vectors, scale))
        found += guessed(total + noise(canaries, stream, parts), coins)
    return found


# --- a fit: each canary has a level of its own, and its coin is its outcome -----------------------------------------
class CanaryFits:
    """Fits of patients among whom are canaries; the auditor sees all totals and knows everything but the coins.

    Whoever has a level that nobody else has is clipped, and lies across everybody else: with another outcome, the
    score of such a patient is turned around, which is the farthest that anybody can go.
    """

    def __init__(self, canaries: int = 99, crowd: int = 100, parts: int = 1):
        self.canaries, self.crowd, self.parts = canaries, crowd, parts
        levels = ["none", *(f"c{number:02}" for number in range(canaries))]
        self.levels = [*levels[1:], *["none"] * crowd]
        self.task = TASK | {"features": [{"name": "code", "kind": "coded", "levels": levels}]}
        assert plan(parse(self.task)).cost.total <= rho_of(CLAIMED, DELTA)
        halves = np.resize([-1, 1], canaries)
        self.known = self.run(halves)
        self.known.fit(seed=1, shares=0)
        self.middle = [self._middle(state) for state in self.known.states]
        self.reading = [self._reading(state) for state in self.known.states]

    def run(self, coins: np.ndarray) -> NoisyRun:
        outcomes = [*((coins + 1) / 2).tolist(), *np.resize([0.0, 1.0], self.crowd).tolist()]
        table = {"code": self.levels, "sick": outcomes, PERSON: list(range(self.canaries + self.crowd))}
        return NoisyRun([table], self.task, Brakes())

    def _total(self, state, coins: np.ndarray) -> np.ndarray:
        run = self.run(coins)
        return np.array(run.exact(state, run.sites[0]), dtype=float)

    def _middle(self, state) -> np.ndarray:
        ones = np.ones(self.canaries)
        return (self._total(state, ones) + self._total(state, -ones)) / 2.0

    def _reading(self, state) -> np.ndarray:
        """What to multiply a total with for the best linear guess of each coin: noise is known, coins are fair."""
        ones = np.ones(self.canaries)
        base = self._total(state, -ones)
        turns = np.array(
            [self._total(state, np.where(np.arange(self.canaries) == at, 1.0, -1.0)) for at in range(self.canaries)]
        )
        effects = (turns - base) / 2.0  # of a coin, on each number
        variance = SHARES * (SIGMA / self.parts) ** 2 if self.parts else 1.0
        return np.linalg.solve(effects @ effects.T + variance * np.eye(self.canaries), effects)

    def audit(self, runs: int, seed: int = 1) -> Audit:
        """The guesses over so many fits."""
        chance, stream, found = np.random.default_rng(seed), seeded(seed.to_bytes(32, "big"), "fits"), Audit(0, 0, 0)
        for _ in range(runs):
            coins = chance.choice([-1, 1], self.canaries)
            totals = self.played(self.run(coins), stream)
            parts = zip(self.reading, totals, self.middle, strict=True)
            found += guessed(sum(reading @ (total - middle) for reading, total, middle in parts), coins)
        return found

    def played(self, run: NoisyRun, stream) -> list[np.ndarray]:
        """The totals of a fit."""
        state, totals = run.summed.first(), []
        while run.summed.asked(state) is not None:
            exact = np.array(run.exact(state, run.sites[0]))
            total = exact + noise(len(exact), stream, self.parts)
            totals.append(total)
            state = run.summed.follow(state, total.tolist(), run.summed.propose(state, total.tolist()))
        return totals
