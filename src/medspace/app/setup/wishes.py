"""What a new connector shall be, and what it may not: every text that is written to a file is looked at first."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Literal

from medspace.core.clock import Clock
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.privacy.publication import LEAST
from medspace.trust.did import base_url
from medspace.trust.jws import JwsError, decode

Answers = Literal["automatic", "manual"]
MIN_SITES = 3
COUNT = 20
DAYS = 365  # that an offer stands where nobody says how long
PERSONS_PER_QUESTION = 10
LONGEST_TEXT = 256  # characters of a name
LARGEST_PORT = 65_534  # the private listener takes the next one
LONGEST_ID = 64
KEY_BYTES = 32


class WishError(InvalidInputError):
    """Something that a new connector shall be cannot be."""

    code = "setup.wish"
    sentence = msgid("{option} cannot be used: {reason}.")
    next_step = msgid("Correct it and run `medspace init` again; nothing was written.")


class PersonUnknownError(InvalidInputError):
    """Nobody said which column names the persons."""

    code = "setup.person"
    sentence = msgid("Nobody said which column of {file} names the patients; without it they cannot be counted.")
    next_step = msgid(
        "Name it with --person COLUMN (it is counted and never leaves{seen}); --rows-are-persons says that each row "
        "is a patient of its own."
    )


class FewPersonsError(InvalidInputError):
    """A table from which nothing could ever be released."""

    code = "setup.few"
    sentence = msgid("{file} holds {persons} persons; nothing is released of fewer than {least}.")
    next_step = msgid("Offer a table of more persons, or look whether --person names the right column.")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a new connector shall be; for a table that it offers also the terms.

    `until` is a day or an instant (empty: a year from now), `count` the uses per agreement and `questions` those a
    year of all users together (None: as many as a tenth of the persons). `rows_are_persons` says that no column names
    the persons, since each row is one. `holders` are the DIDs of those who may sit in a run beside it: all,
    if none is named.
    """

    name: str
    port: int
    authority: str = ""
    authority_key: str = ""
    region: str = ""
    offer: Path | None = None
    person: str = ""
    rows_are_persons: bool = False
    until: str = ""
    count: int | None = COUNT
    min_sites: int = MIN_SITES
    min_cohort: int = LEAST
    questions: int | None = None
    answers: Answers = "manual"
    holders: tuple[str, ...] = ()


def check(wishes: Wishes) -> None:
    """Refuse what could not be written, or not be read back as it was meant.

    Raises:
        WishError: a text that cannot be shown or is too long, a number out of range, a bad key, a folder.
        DidError: the authority, or a holder, is no did:web.
    """
    for option, text in _texts(wishes):
        if not text.isprintable() or len(text) > LONGEST_TEXT:
            raise WishError(
                option=option, reason=Text(msgid("it holds a character that cannot be shown, or is too long"))
            )
    for option, number, least, most in (
        ("--port", wishes.port, 1, LARGEST_PORT),
        ("--min-sites", wishes.min_sites, 1, 10_000),
        ("--min-cohort", wishes.min_cohort, 1, 1_000_000),
        ("--count", wishes.count, 1, 1_000_000),
        ("--questions", wishes.questions, 0, 1_000_000),
    ):
        if number is not None and not least <= number <= most:
            facts = {"least": least, "most": most}
            raise WishError(option=option, reason=Text(msgid("it is not between {least} and {most}"), facts))
    if wishes.offer is not None and wishes.offer.is_dir():
        told = msgid(
            "it is a folder; a folder of images is offered by hand (docs/data.md), once a kind of use takes them"
        )
        raise WishError(option="--offer", reason=Text(told))
    for did in filter(None, (wishes.authority, *wishes.holders)):
        base_url(did)
    if wishes.authority_key and not _is_key(wishes.authority_key):
        raise WishError(option="--authority-key", reason=Text(msgid("it is not 32 bytes in base64url")))


def _is_key(text: str) -> bool:
    try:
        return len(decode(text)) == KEY_BYTES
    except JwsError:
        return False


def _texts(wishes: Wishes) -> Iterator[tuple[str, str]]:
    yield from (("--name", wishes.name), ("--region", wishes.region), ("--authority", wishes.authority))
    yield from (("--authority-key", wishes.authority_key), ("--person", wishes.person))
    yield from (("--holder", did) for did in wishes.holders)
    if wishes.offer is not None:
        path = str(wishes.offer.resolve())
        # The path is told to nobody, so it may be longer.
        yield "--offer", path if not path.isprintable() else wishes.offer.name


def end(wishes: Wishes, clock: Clock) -> str:
    """Until when the offer stands: RFC 3339 in UTC, the end of the day where a day is named.

    Raises:
        WishError: it is no day and no instant, or has passed.
    """
    now = clock.now()
    if not wishes.until:
        return _written(datetime.combine(now.date() + timedelta(days=DAYS), time(), UTC))
    try:
        read = datetime.fromisoformat(wishes.until)
        if len(wishes.until) == len("2030-01-01"):
            read += timedelta(days=1)
        until = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WishError(option="--until", reason=Text(msgid("it is not a day such as 2030-06-30"))) from None
    if until <= now:
        raise WishError(option="--until", reason=Text(msgid("it has passed")))
    return _written(until)


def _written(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def questions(wishes: Wishes, persons: int) -> int:
    """How many questions a year the dataset answers, over all users."""
    return max(1, persons // PERSONS_PER_QUESTION) if wishes.questions is None else wishes.questions


def identity(file: Path) -> str:
    """What a file's dataset is called: its name in characters that every connector and every shell takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("-._")[:LONGEST_ID] or "dataset"
