"""The questions of `medspace init` at a terminal; without one, or with --json, omitted options get safe defaults."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from medspace.adapters.filenames import is_there
from medspace.adapters.system import SystemClock
from medspace.app.doors.cli.asking import yes
from medspace.app.doors.cli.errors import AnswerError
from medspace.app.doors.cli.file_asking import answered, asks, insisted
from medspace.app.doors.cli.screen import Screen
from medspace.app.features.setup.service import AuthorityUnknownError, authoritys_key
from medspace.app.node.listening.addresses import is_free
from medspace.app.node.offering.drafting import DraftOptions
from medspace.app.node.offering.origins import Origin, origin
from medspace.app.node.offering.wishes import (
    COUNT,
    LARGEST_PORT,
    MIN_SITES,
    Answers,
    WishError,
    Wishes,
    check,
    end,
    region_of,
)
from medspace.app.node.offering.writing import check_offerable
from medspace.core.text import Text, msgid

_NONE = "-"
_LOCALE = re.compile(r"[a-z]{2,3}_([A-Z]{2})\b")


@dataclass(frozen=True, slots=True)
class OfferOptions:
    """The options for an offer; None and empty texts where they were omitted."""

    until: str
    count: int | None
    min_sites: int | None
    questions: int | None
    answers: str
    holders: tuple[str, ...] = ()


def _of_connector(screen: Screen, wishes: Wishes, said: Collection[str]) -> Wishes:
    """The wishes with what a person answers on the connector itself.

    Each answer is checked as it is given: the authority's key is fetched, the ports are tried.
    """
    wishes = _named(screen, wishes, said)
    if "region" not in said:
        question = Text(msgid("In which country is it: a code such as DE or CN (ISO 3166-1 alpha-2)? (-: not given)"))
        code = insisted(screen, question, _region, _country() or _NONE)
        wishes = replace(wishes, region=code)
    if "port" not in said:
        first = next((port for port in range(wishes.port, wishes.port + 100, 10) if _both_free(port)), wishes.port)
        question = Text(msgid("On which port does it answer other hospitals? It takes the next one as well"))
        wishes = replace(wishes, port=insisted(screen, question, _free_port, str(first)))
    if "authority" not in said:
        question = Text(
            msgid("Which space does it join: the DID of its authority, did:web:...? (Enter: it founds a new space)")
        )
        wishes = insisted(screen, question, partial(_joining, screen, wishes))
    if "offer" not in said:
        question = Text(
            msgid("Which table does it offer for training? (a file, or postgresql://...; Enter: none yet)")
        )
        wishes = replace(wishes, offer=insisted(screen, question, partial(_table, wishes)))
    return wishes


def _named(screen: Screen, wishes: Wishes, said: Collection[str]) -> Wishes:
    def read(answer: str) -> Wishes:
        made = replace(wishes, name=answer)
        check(made)
        return made

    if "name" in said:
        return wishes
    return insisted(screen, Text(msgid("What is the participant called, for others to read?")), read, wishes.name)


def _region(said: str) -> str:
    return "" if said == _NONE else region_of(said)


def _country() -> str:
    """The country of the system's language, such as DE of de_DE.UTF-8; nothing where it names none."""
    for name in ("LC_ALL", "LANG"):
        found = _LOCALE.match(os.environ.get(name, ""))
        if found:
            return found[1]
    return ""


def _free_port(said: str) -> int:
    if not (said.isascii() and said.isdecimal() and 0 < int(said) <= LARGEST_PORT):
        reason = Text(msgid("it is not between {least} and {most}"), {"least": 1, "most": LARGEST_PORT})
        raise AnswerError(answer=said, reason=reason)
    if not _both_free(int(said)):
        raise AnswerError(answer=said, reason=Text(msgid("another program listens there, or on the next port")))
    return int(said)


def _both_free(port: int) -> bool:
    return all(is_free("127.0.0.1", each) for each in (port, port + 1))


def _joining(screen: Screen, wishes: Wishes, said: str) -> Wishes:
    """The wishes with an authority and its key, which somebody says where it cannot be fetched."""
    made = replace(wishes, authority=said)
    check(made)
    try:
        return replace(made, authority_key=made.authority_key or authoritys_key(made))
    except AuthorityUnknownError as error:
        screen.line(error.text)
    question = Text(msgid("What is its public key? Its operator tells you (Enter: name another authority)"))

    def read(key: str) -> str:
        check(replace(made, authority_key=key))
        return key

    key = insisted(screen, question, read)
    if not key:
        raise AnswerError(answer=said, reason=Text(msgid("its key is not known")))
    return replace(made, authority_key=key)


def _table(wishes: Wishes, said: str) -> Origin | None:
    if not said:
        return None
    table = origin(os.path.expanduser(said))  # noqa: PTH111 - an address is no path
    if isinstance(table, Path) and not is_there(table):
        raise AnswerError(answer=said, reason=Text(msgid("there is no such file")))
    check(replace(wishes, offer=table))
    return table


def ask(
    screen: Screen, wishes: Wishes, asked: OfferOptions, said: Collection[str] = (), *, yes: bool = False
) -> Wishes:
    """The wishes, from the options and a person's answers to the rest; `said` are the options that were given.

    A table that an option offers is read first: nobody answers questions for one that cannot be.

    Raises:
        WishError: an option cannot be used, or is about an offer where nothing is offered.
        AuthorityUnknownError: the authority of an option shows no key; nothing was asked then.
        MedspaceError: the table cannot be read.
    """
    asking = asks(screen, yes=yes)
    if asking:
        if wishes.authority and not wishes.authority_key:
            wishes = replace(wishes, authority_key=authoritys_key(wishes))
        wishes = _of_table(screen, wishes)
        offered = wishes.offer
        wishes = _of_connector(screen, wishes, said)
        wishes = wishes if offered else _of_table(screen, wishes)
    if wishes.offer is None:
        _check_unused(asked, wishes.draft, wishes.dictionary)
        return wishes
    if asking:
        asked = _answered(screen, wishes, asked)
    return replace(
        wishes,
        until=asked.until,
        count=_bound_of(asked.count),
        min_sites=MIN_SITES if asked.min_sites is None else asked.min_sites,
        questions=asked.questions,
        answers=_answers(asked.answers),
        holders=asked.holders,
    )


def _of_table(screen: Screen, wishes: Wishes) -> Wishes:
    """The wishes with what a person answers on the table that is offered, where there is one without dictionary."""
    if wishes.offer is None or wishes.dictionary is not None:
        return wishes
    drafted, draft = answered(screen, wishes.offer, wishes.draft)
    wishes = replace(wishes, person=draft.person, rows_are_persons=draft.rows_are_persons, draft=draft)
    check_offerable(wishes, drafted)
    return wishes


def _bound_of(count: int | None) -> int | None:
    """How often an agreement may be used: 0 is without bound, and what is not said the default."""
    return {None: COUNT, 0: None}.get(count, count)


_NAMED = {"holders": "--holder", "settings": "--set", "least": "--min-cohort", "password": "--password-file"}


def _check_unused(asked: OfferOptions, draft: DraftOptions, dictionary: Path | None) -> None:
    """Refuse what is said of an offer where nothing is offered: it would be dropped in silence."""
    nothing = DraftOptions()
    said = [
        term.name for term in fields(asked) if getattr(asked, term.name) not in (None, "", ())
    ]  # a count of 0 is said
    said += ["dictionary"] if dictionary is not None else []
    said += [term.name for term in fields(draft) if getattr(draft, term.name) != getattr(nothing, term.name)]
    for name in said:
        option = _NAMED.get(name, f"--{name.replace('_', '-')}")
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

    def until(said: str) -> str:
        end(replace(wishes, until=said), SystemClock())
        return said

    def number(said: str, name: str) -> int:
        if not (said.isascii() and said.isdecimal()):
            raise AnswerError(answer=said, reason=Text(msgid("it is not a whole number")))
        value = int(said)
        check(replace(wishes, count=_bound_of(value)) if name == "count" else replace(wishes, min_sites=value))
        return value

    if not asked.until:
        question = Text(msgid("Until which day is the offer valid, such as 2027-12-31? (Enter: for a year)"))
        asked = replace(asked, until=insisted(screen, question, until))
    if asked.count is None:
        question = Text(msgid("How often may an agreement be used? (0: without bound)"))
        asked = replace(asked, count=insisted(screen, question, partial(number, name="count"), str(COUNT)))
    if asked.min_sites is None:
        question = Text(
            msgid(
                "How many hospitals at least must be added up, so that no result tells of yours alone? A training "
                "takes one more than these"
            )
        )
        asked = replace(
            asked, min_sites=insisted(screen, question, partial(number, name="min_sites"), str(MIN_SITES))
        )
    if not asked.answers:
        question = Text(msgid("Shall negotiations be answered by the terms alone, without a person?"))
        automatic = yes(screen, question, default=False)
        asked = replace(asked, answers="automatic" if automatic else "manual")
    return asked
