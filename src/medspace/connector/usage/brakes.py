"""How often an asset may be asked: pure decisions that slow down attempts to read persons out of many answers.

Exact answers to freely chosen questions cannot be made safe by a minimum cohort alone, so they are rationed: few
questions per use, rounds only forward, few per asset and year over all users, few withheld answers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from medspace.connector.usage.model import AdmittedQuestion, DailyQuestions, QuestionOutcome
from medspace.connector.usage.rules import WITHHELD
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.core.usage import Step

MOST_ROUNDS = 30  # per use, whatever its task says
PROTOCOL_STEPS = 6  # steps of one use per question, including the question itself
MOST_WITHHELD = 3  # under one agreement: "withheld" is an answer too, and a bisection on it needs many
MOST_WITHHELD_OF_ONE = 9  # for one user on one asset in a year, under all its agreements
FEWEST_CHANGED = 10  # persons by which a table must have changed, if the agreement's minimum cohort is smaller
YEAR = timedelta(days=365)
SHARE = 10  # persons per question and year, where the holder sets nothing else
CODES = frozenset({WITHHELD, "use.budget", "use.changed", "use.questions", "use.round"})


def most_questions(task: JsonObject) -> int:
    """How many questions one use with this task may ask."""
    said = task.get("max_rounds")
    known = isinstance(said, int) and not isinstance(said, bool) and said >= 1
    return min(said, MOST_ROUNDS) if known and isinstance(said, int) else MOST_ROUNDS


def by_default(persons: int) -> int:
    """How many questions a year an asset with this many persons answers where its holder sets nothing."""
    return persons // SHARE


def forward(asked: Collection[AdmittedQuestion], step: Step) -> Decision:
    """Whether a step is new and its round no earlier than any that this use has been answered in."""
    answered = [question for question in asked if question.outcome is QuestionOutcome.RELEASED]
    repeated = any((question.round, question.step) == (step.round, step.name) for question in answered)
    highest = max((question.round for question in answered), default=0)
    held = Text(msgid("{step} of round {round}, after round {highest}"), _place(step) | {"highest": highest})
    asked_for = Text(msgid("one answer for each round and step of a use, rounds only forward"))
    remedy = Text(msgid("Go on with the next round, or begin a new use."))
    return _one("use.round", asked_for, held, remedy, ok=not repeated and step.round >= highest)


def _place(step: Step) -> dict[str, str | int]:
    return {"step": step.name, "round": step.round}


def within_use(steps: int, task: JsonObject) -> Decision:
    """Whether a use may ask one more question."""
    most = most_questions(task)
    held = Text(msgid("{steps} questions were put"), {"steps": steps})
    asked = Text(msgid("at most {most} questions for one use"), {"most": most})
    remedy = Text(msgid("Begin a new use, with fewer rounds."))
    return _one("use.budget", asked, held, remedy, ok=steps < most)


def within_protocol(steps: int, task: JsonObject) -> Decision:
    """Whether a use may have one more step that only advances a protocol; the number is limited per question."""
    most = PROTOCOL_STEPS * (most_questions(task) + 1)
    held = Text(msgid("{steps} steps were made"), {"steps": steps})
    asked = Text(msgid("at most {most} steps for one use"), {"most": most})
    remedy = Text(msgid("Begin a new use, with fewer rounds."))
    return _one("use.budget", asked, held, remedy, ok=steps < most)


def not_withheld(of_agreement: int, of_user: int) -> Decision:
    """Whether answers are still given after a number of them were withheld."""
    asked = Text(msgid("fewer than {most} answers that were withheld"), {"most": MOST_WITHHELD})
    held = Text(msgid("{count} answers were withheld"), {"count": max(of_agreement, of_user)})
    remedy = Text(msgid("Talk to the holder: this agreement gives no further answers."))
    ok = of_agreement < MOST_WITHHELD and of_user < MOST_WITHHELD_OF_ONE
    return _one(WITHHELD, asked, held, remedy, ok=ok)


def fewest_changed(min_cohort: int) -> int:
    """The number of persons by which a table must differ from one that has answered."""
    return max(min_cohort, FEWEST_CHANGED)


def unchanged(alike: Collection[str], least: int) -> Decision:
    """Whether the rows may be asked something new: not if they differ by few persons from rows that have answered."""
    asked = Text(msgid("rows as they were asked before, or changed by at least {least} patients"), {"least": least})
    held = Text(msgid("fewer changed") if alike else msgid("they are"))
    remedy = Text(
        msgid(
            "Ask what was asked before, or wait until the holder offers an extract in which more patients changed: "
            "whole extracts now and then, not single rows."
        )
    )
    return _one("use.changed", asked, held, remedy, ok=not alike)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The questions of one asset: how many a year, how many were asked, and when some become available again."""

    limit: int
    used: int
    back: date | None

    @property
    def left(self) -> int:
        """How many are left now."""
        return max(self.limit - self.used, 0)


def allowance(limit: int, spent: DailyQuestions | None, now: datetime) -> Allowance:
    """The state of an asset's allowance, over all uses of all users."""
    days = _of_the_year(spent, now)
    first = min(days, default=None)
    back = None if first is None else date.fromisoformat(first) + YEAR + timedelta(days=1)
    return Allowance(limit, sum(days.values()), back)


def one_more(asset: str, spent: DailyQuestions | None, now: datetime) -> DailyQuestions:
    """The counts with one more question today; days that are too old to count are dropped."""
    today = now.date().isoformat()
    days = dict(_of_the_year(spent, now))
    return DailyQuestions(asset, days | {today: days.get(today, 0) + 1})


def _of_the_year(spent: DailyQuestions | None, now: datetime) -> Mapping[str, int]:
    since = (now - YEAR).date().isoformat()
    return {day: count for day, count in spent.days.items() if day >= since} if spent else {}


def within_year(state: Allowance) -> Decision:
    """Whether the asset may be asked one more question this year."""
    asked = Text(msgid("at most {limit} questions a year, of all users together"), {"limit": state.limit})
    held = Text(msgid("{used} were put"), {"used": state.used})
    remedy = Text(msgid("Ask the holder to raise the limit of the dataset."))
    if state.back is not None:
        said = msgid(
            "Wait until {day}, when the first come back, or ask the holder to raise the limit of the dataset."
        )
        remedy = Text(said, {"day": state.back.isoformat()})
    return _one("use.questions", asked, held, remedy, ok=state.used < state.limit)


def _one(code: str, asked: Text, held: Text, remedy: Text, *, ok: bool) -> Decision:
    premise = Premise(code, asked, held, ok, None if ok else remedy)
    return Decision(Verdict.PERMIT if ok else Verdict.DENY, "permitted" if ok else code, (premise,))
