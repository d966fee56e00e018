"""What `medspace init` asks at a terminal; without one, or with --json, what is not said is the safe thing."""

import sys
from dataclasses import dataclass, fields, replace

import typer

from medspace.adapters.duckdb.drafting import candidates
from medspace.app.screen import Screen
from medspace.app.setup.wishes import COUNT, MIN_SITES, Answers, WishError, Wishes
from medspace.core.text import Text, msgid, plain


@dataclass(frozen=True, slots=True)
class OfferOptions:
    """What the options said of an offer; None and empty texts where they said nothing."""

    person: str
    rows_are_persons: bool
    until: str
    count: int | None
    min_sites: int | None
    questions: int | None
    answers: str
    holders: tuple[str, ...] = ()


def ask(screen: Screen, wishes: Wishes, asked: OfferOptions) -> Wishes:
    """The wishes with what the options said of the offer, and what a person answers to the rest.

    Raises:
        WishError: an answer cannot be used, or is about an offer where nothing is offered.
    """
    if wishes.offer is None:
        _check_unused(asked)
        return wishes
    if not screen.as_json and sys.stdin.isatty() and sys.stdout.isatty():
        asked = _answered(screen, wishes, asked)
    return replace(
        wishes,
        person=asked.person,
        rows_are_persons=asked.rows_are_persons,
        until=asked.until,
        count={None: COUNT, 0: None}.get(asked.count, asked.count),
        min_sites=MIN_SITES if asked.min_sites is None else asked.min_sites,
        questions=asked.questions,
        answers=_answers(asked.answers),
        holders=asked.holders,
    )


def _check_unused(asked: OfferOptions) -> None:
    """Refuse terms of an offer where nothing is offered: they would be dropped in silence."""
    for term in fields(asked):
        said = getattr(asked, term.name)
        if said not in (None, "", ()) and said is not False:  # a count of 0 is said
            option = "--holder" if term.name == "holders" else f"--{term.name.replace('_', '-')}"
            raise WishError(option=option, reason=Text(msgid("it needs a file that is offered with --offer")))


def _answers(said: str) -> Answers:
    match said:
        case "" | "manual":
            return "manual"
        case "automatic":
            return "automatic"
        case _:
            raise WishError(option="--answers", reason=Text(msgid("it is neither manual nor automatic")))


def _answered(screen: Screen, wishes: Wishes, asked: OfferOptions) -> OfferOptions:
    """Ask for each thing that no option said, with the safe answer as the one that Enter gives."""
    if not asked.person and not asked.rows_are_persons and wishes.offer is not None:
        likely = candidates(wishes.offer)
        question = Text(msgid("Which column names the patients? It is counted and never leaves"))
        asked = replace(asked, person=_prompt(screen, question, likely[0] if likely else ""))
    if not asked.until:
        question = Text(msgid("Until which day does the offer stand? (Enter: for a year)"))
        asked = replace(asked, until=str(typer.prompt(plain(screen.say(question)), default="", show_default=False)))
    if asked.count is None:
        question = Text(msgid("How often may an agreement be used? (0: without bound)"))
        asked = replace(asked, count=_number(screen, question, COUNT))
    if asked.min_sites is None:
        question = Text(msgid("How many hospitals must take part in a training?"))
        asked = replace(asked, min_sites=_number(screen, question, MIN_SITES))
    if not asked.answers:
        question = Text(msgid("Shall negotiations be answered by the terms alone, without a person?"))
        automatic = typer.confirm(plain(screen.say(question)), default=False)
        asked = replace(asked, answers="automatic" if automatic else "manual")
    return asked


def _prompt(screen: Screen, question: Text, default: str) -> str:
    return str(typer.prompt(plain(screen.say(question)), default=default or None))


def _number(screen: Screen, question: Text, default: int) -> int:
    return int(typer.prompt(plain(screen.say(question)), default=default, type=int))
