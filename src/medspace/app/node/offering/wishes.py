"""The wishes for a new connector, and their limits; every text is checked before it is written to a file."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import chain, count
from pathlib import Path
from typing import Literal

from medspace.adapters.duckdb.settings import DraftOptions
from medspace.adapters.filenames import is_folder
from medspace.app.node.offering.origins import Origin, name_of, source_of, title_of
from medspace.core.clock import Clock
from medspace.core.errors import InvalidInputError
from medspace.core.instants import BoundError, bound
from medspace.core.text import Text, msgid
from medspace.policy.regions import unnamed_region
from medspace.privacy.publication import LEAST
from medspace.trust.did import base_url
from medspace.trust.jws import JwsError, decode

Answers = Literal["automatic", "manual"]
MIN_SITES = 3
COUNT = 20
DAYS = 365  # for which an offer is valid by default
PERSONS_PER_QUESTION = 10
LONGEST_TEXT = 256  # characters of a name
LARGEST_PORT = 65_534  # the private listener takes the next port
LONGEST_ID = 64
MOST, MOST_SITES = 1_000_000, 10_000  # of what is counted
KEY_BYTES = 32


class WishError(InvalidInputError):
    """A wish for a new connector cannot be fulfilled."""

    code = "setup.wish"
    sentence = msgid("{option} cannot be used: {reason}.")
    next_step = msgid("Correct it and run it again; nothing was written.")


class FewPersonsError(InvalidInputError):
    """A table so small that nothing could ever be released from it."""

    code = "setup.few"
    sentence = msgid("{file} holds {persons} persons; nothing is released of fewer than {least}.")
    next_step = msgid("Offer a table of more persons, or look whether --person names the right column.")


@dataclass(frozen=True, slots=True)
class Wishes:
    """The wishes for a new connector and, for a table that it offers, the terms.

    `until` is a day or an instant (empty: a year from now), `count` the uses per agreement and `questions` the
    questions per year for all users together (None: a tenth of the number of persons). `rows_are_persons` says that
    no column names the persons, since each row is one. `holders` are the DIDs of those who may take part in a run
    beside it; all, if none is named. `draft` has all other statements about the offered file; `dictionary` is the
    file of its data dictionary, drafted where none is named. `publish` is what the catalogue says of its content.
    """

    name: str
    port: int
    authority: str = ""
    authority_key: str = ""
    region: str = ""
    offer: Origin | None = None
    person: str = ""
    rows_are_persons: bool = False
    until: str = ""
    count: int | None = COUNT
    min_sites: int = MIN_SITES
    min_cohort: int = LEAST
    questions: int | None = None
    answers: Answers = "manual"
    holders: tuple[str, ...] = ()
    draft: DraftOptions = field(default_factory=DraftOptions)
    dictionary: Path | None = None
    publish: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What the table that is offered is called, where nobody says how."""
        return "" if self.offer is None else title_of(self.offer, self.draft.table)

    @property
    def of_file(self) -> DraftOptions:
        """The statements about the offered file."""
        least = max(LEAST, self.min_cohort)
        return replace(self.draft, person=self.person, rows_are_persons=self.rows_are_persons, least=least)


def check(wishes: Wishes) -> None:
    """Refuse what could not be written, or would be read back differently.

    Raises:
        WishError: a text that cannot be displayed or is too long, a number out of range, a bad key, a folder.
        DidError: the authority, or a holder, is not a did:web.
    """
    for option, text in _texts(wishes):
        if not text.isprintable() or len(text) > LONGEST_TEXT:
            raise WishError(
                option=option, reason=Text(msgid("it holds a character that cannot be shown, or is too long"))
            )
    check_cohort(wishes.min_cohort)
    for option, number, least, most in (
        ("--port", wishes.port, 1, LARGEST_PORT),
        ("--min-sites", wishes.min_sites, 1, MOST_SITES),
        ("--count", wishes.count, 1, MOST),
        ("--questions", wishes.questions, 0, MOST),
    ):
        check_number(option, number, least, most)
    region_of(wishes.region)
    if isinstance(wishes.offer, Path) and is_folder(wishes.offer):
        told = msgid(
            "it is a folder; a folder of images is offered by hand (docs/data.md), once a kind of use takes them"
        )
        raise WishError(option="--offer", reason=Text(told))
    for did in filter(None, (wishes.authority, *wishes.holders)):
        base_url(did)
    if wishes.authority_key and not _is_key(wishes.authority_key):
        raise WishError(option="--authority-key", reason=Text(msgid("it is not 32 bytes in base64url")))


def region_of(said: str) -> str:
    """A region as terms name it; nothing where none was said.

    Raises:
        WishError: it is none that terms could name.
    """
    code = said.strip().upper()
    reason = unnamed_region(code) and unnamed_region(said)
    if reason is not None:
        raise WishError(option="--region", reason=reason)
    return code


def check_cohort(persons: int) -> None:
    """Refuse to name what fewer persons have than anything is released of.

    Raises:
        WishError: it is fewer, or more than can be.
    """
    check_number("--min-cohort", persons, LEAST, MOST)


def check_number(option: str, number: int | None, least: int, most: int) -> None:
    """Refuse a number out of its range.

    Raises:
        WishError: it is.
    """
    if number is not None and not least <= number <= most:
        facts = {"least": least, "most": most}
        raise WishError(option=option, reason=Text(msgid("it is not between {least} and {most}"), facts))


def _is_key(text: str) -> bool:
    try:
        return len(decode(text)) == KEY_BYTES
    except JwsError:
        return False


def _texts(wishes: Wishes) -> Iterator[tuple[str, str]]:
    yield from (("--name", wishes.name), ("--region", wishes.region), ("--authority", wishes.authority))
    yield from (("--authority-key", wishes.authority_key), ("--person", wishes.person))
    yield from (("--holder", did) for did in wishes.holders)
    yield from (("--names", name) for name in wishes.draft.names)
    if wishes.offer is not None:
        path = source_of(wishes.offer)
        # The path is told to nobody, so it may be longer.
        yield "--offer", path if not path.isprintable() else name_of(wishes.offer)


def end(wishes: Wishes, clock: Clock) -> str:
    """The end of the offer: RFC 3339 in UTC, the end of the day where a day is named.

    Raises:
        WishError: it is neither a day nor an instant with its zone, or has passed.
    """
    now = clock.now()
    if not wishes.until:
        return _written(datetime.combine(now.date() + timedelta(days=DAYS), time(), UTC))
    try:
        until = bound(wishes.until, last=True)
    except BoundError as error:
        raise WishError(option="--until", reason=error.reason) from error
    if until <= now:
        raise WishError(option="--until", reason=Text(msgid("it has passed")))
    return _written(until)


def _written(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def questions(wishes: Wishes, persons: int) -> int:
    """How many questions a year the dataset answers, over all users."""
    return max(1, persons // PERSONS_PER_QUESTION) if wishes.questions is None else wishes.questions


def identity(title: str, taken: Collection[str] = ()) -> str:
    """What a dataset of that title is called: in characters that every connector and every shell takes.

    A title without any, such as a Chinese one, gives a name that is none of those `taken`.
    """
    made = re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-._")[:LONGEST_ID]
    if made:
        return made
    names = chain(["dataset"], (f"dataset-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)
