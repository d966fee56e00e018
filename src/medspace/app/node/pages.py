"""What a feature says of its pages: where they are, who may open them, where the menu has them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from medspace.core.actors import Scope
from medspace.core.text import Text, msgid

if TYPE_CHECKING:
    from starlette.responses import Response

# Given a `doors.portal.visit.PortalVisit`, it makes a response of Starlette's.
Shown: TypeAlias = Callable[[Any], Awaitable["Response"]]
TONES = ("bad", "wait", "live", "ok", "plain")  # of a notice, the most urgent first
LARGEST_FORM = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class PortalPage:
    """A page that is read: its path below /portal (Starlette's form), what answers, which scopes open it (any).

    Without scopes it is the owner's alone, unless it is for `everybody` who is signed in, whatever their role: then
    it shows nothing that a role does not see. `islands` are scripts beside the portal's own, by the name of the file;
    a page with one that writes HTML by itself (`htmx`) cannot have Trusted Types.
    """

    path: str
    show: Shown
    scopes: Sequence[Scope] = ()
    islands: Sequence[str] = ()
    everybody: bool = False


@dataclass(frozen=True, slots=True)
class PortalAction:
    """A form that changes something: POST, with the session's own token in it.

    `confirmed`: whoever sends it must have used a passkey within the last minutes. `largest` is the most bytes of it.
    `streamed`: it brings a large file, which the page is given as it comes (`PortalVisit.incoming`); its fields stand
    before the file.
    """

    path: str
    do: Shown
    scopes: Sequence[Scope] = ()
    confirmed: bool = False
    largest: int = LARGEST_FORM
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """An entry of the menu: `key` is the letter behind `g` that opens it, `about` says what is there."""

    path: str
    name: str  # a msgid
    key: str
    group: str  # of GROUPS
    scopes: Sequence[Scope] = ()
    about: str = ""  # a msgid


@dataclass(frozen=True, slots=True)
class PortalRemedy:
    """Where somebody goes on after a refusal: `code` is that of the refusal, or how it begins (with its last dot).

    It is offered to those whom `scopes` let open the page, as they do there; none: the owner.
    """

    code: str
    path: str
    name: str  # a msgid: what the button says
    scopes: Sequence[Scope] = ()

    def suits(self, code: str) -> bool:
        """Whether it is for refusals with this code."""
        return code.startswith(self.code) if self.code.endswith(".") else code == self.code


@dataclass(frozen=True, slots=True)
class HomeNotice:
    """What waits for the person on the first page, or is worth knowing there: a sentence and where it leads.

    `tone` is one of `TONES`: "wait" for what waits for them, "bad" for what failed, the others for what is so.
    """

    text: Text
    path: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class PortalPages:
    """The pages of one feature; its templates stand in `templates`, and are named `<feature>/<file>`."""

    templates: Path
    pages: Sequence[PortalPage] = ()
    actions: Sequence[PortalAction] = ()
    menu: Sequence[MenuEntry] = ()
    remedies: Sequence[PortalRemedy] = ()
    notices: Callable[[Any], Awaitable[Sequence[HomeNotice]]] | None = None  # given a visit
    static: Path | None = None  # a folder of its own scripts, style sheets and pictures


# The groups of the menu in their order, each with its heading.
GROUPS = (
    ("data", msgid("Data")),
    ("contracts", msgid("Contracts")),
    ("work", msgid("Training and outputs")),
    ("proof", msgid("Proof")),
    ("connector", msgid("This connector")),
)
