"""Templates into HTML: everything is escaped, sentences come from the catalogues, times and numbers by language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape

from medspace.app.doors.portal.shelf import Shelf
from medspace.app.node.language import CHINESE, speaker
from medspace.app.node.pages import GROUPS, MenuEntry, PortalRemedy
from medspace.core.errors import InvalidInputError
from medspace.core.paths import segment
from medspace.core.text import Text, msgid, plain

HERE = Path(__file__).with_name("templates")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What states are called, with the tone that they are shown in: a shape and a word, never a colour alone.
STATES: Mapping[str, tuple[str, str]] = {
    "REQUESTED": ("wait", msgid("requested")),
    "OFFERED": ("wait", msgid("offered")),
    "ACCEPTED": ("wait", msgid("accepted")),
    "AGREED": ("wait", msgid("agreed")),
    "VERIFIED": ("wait", msgid("verified")),
    "FINALIZED": ("ok", msgid("in force")),
    "TERMINATED": ("bad", msgid("ended")),
    "STARTED": ("live", msgid("started")),
    "COMPLETED": ("ok", msgid("completed")),
    "SUSPENDED": ("wait", msgid("suspended")),
    "waiting": ("wait", msgid("waiting")),
    "running": ("live", msgid("running")),
    "finished": ("ok", msgid("finished")),
    "failed": ("bad", msgid("failed")),
    "cancelled": ("off", msgid("cancelled")),
    "revoked": ("off", msgid("revoked")),
    "expired": ("off", msgid("expired")),
    "counts": ("ok", msgid("valid")),
    "ok": ("ok", msgid("in order")),
    "look": ("wait", msgid("look at it")),
    "bad": ("bad", msgid("not in order")),
}


class AddressError(InvalidInputError):
    """There is no such page, or it has no such part."""

    code = "portal.address"
    sentence = msgid("There is no page at {path}.")
    next_step = msgid("Go to the first page and find it in the menu.")


_AGAIN = msgid("Open this page again")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around each page: whose connector it is, who is signed in, the menu, the forms' token."""

    language: str
    participant: str
    theme: str = ""
    shortcuts: bool = True
    person: str = ""
    token: str = ""
    path: str = ""
    page: str = ""  # with its query
    menu: Sequence[MenuEntry] = ()
    islands: Sequence[str] = ()
    remedies: Sequence[PortalRemedy] = ()

    def way_on(self, code: str) -> tuple[str, str] | None:
        """Where to go on after a refusal, and what the button says: by the longest code that suits it.

        Without one it is the page that the form stands on, as it is now; None where the person is there already.
        """
        found = max((one for one in self.remedies if one.suits(code)), key=lambda one: len(one.code), default=None)
        if found is not None and found.path != self.path:
            return url(found.path), found.name
        elsewhere = self.page and urlsplit(self.page).path != url(self.path)
        return (self.page, _AGAIN) if elsewhere else None


class Renderer:
    """Renders templates of the portal and of its features."""

    def __init__(self, folders: Mapping[str, Path], shelf: Shelf) -> None:
        own = {name: FileSystemLoader(folder) for name, folder in folders.items()}
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(HERE), PrefixLoader(own)]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(shelf=shelf, url=url, states=STATES, groups=GROUPS)
        self._environment.filters.update(segment=segment, plain=_plain)

    def render(self, template: str, frame: Frame, facts: Mapping[str, Any], block: str = "") -> str:
        """A whole page, or one block of it.

        Raises:
            AddressError: the page has no such block.
        """
        found = self._environment.get_template(template)
        told = {"frame": frame, "problem": None, **_sayings(frame.language), **facts}
        told["parts"] = self._environment.get_template("parts.html").make_module(told)  # macros know the frame
        if not block:
            return found.render(told)
        if block not in found.blocks:
            raise AddressError(path=block[:64])
        return "".join(found.blocks[block](found.new_context(told)))


def _sayings(language: str) -> Mapping[str, Any]:
    """What templates say things with, in one language."""
    speak = speaker(language)

    def say(sentence: str, **facts: Any) -> str:  # noqa: ANN401 - numbers and words
        return Text(sentence, facts).render(speak)

    return {
        "_": say,
        "said": lambda text: text.render(speak),
        "when": lambda stamp: when(stamp, language),
        "number": number,
        "chinese": language == CHINESE,
    }


def url(path: str, **query: str) -> str:
    """An address of the portal; empty fields are left out."""
    asked = {name: value for name, value in query.items() if value}
    return f"/portal{path}" + (f"?{urlencode(asked)}" if asked else "")


def when(stamp: str | None, language: str) -> Markup:
    """A time for people, with the exact one beside it; the time zone is always said."""
    if not stamp:
        return Markup("–")
    try:
        time = datetime.fromisoformat(stamp).astimezone(UTC)
    except (ValueError, OverflowError):
        return escape(stamp)
    day = f"{time.day} {_MONTHS[time.month - 1]} {time.year},"
    if language == CHINESE:
        day = f"{time.year}年{time.month}月{time.day}日"
    return Markup('<time datetime="{}">{} {:%H:%M} UTC</time>').format(stamp, day, time)


def number(value: float) -> str:
    """A number for people: thousands apart."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _plain(value: object) -> str:
    """What somebody else wrote, on one line and without what turns the reading direction."""
    return plain(str(value))
