"""The result of one of the doctor's checks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid

if TYPE_CHECKING:
    from medspace.app.node.config import Config


STATES = {"ok": msgid("ok"), "look": msgid("LOOK"), "failed": msgid("FAILED")}


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at: what was found, and what to do about it, if anything.

    `name` is a msgid, which programs read as it is. What is in order but has a next step is for people to look at,
    unless `look` says otherwise.
    """

    name: str
    ok: bool
    found: Text
    next_step: Text | None = None
    look: bool | None = None

    @property
    def state(self) -> str:
        """One of STATES."""
        if not self.ok:
            return "failed"
        look = self.next_step is not None if self.look is None else self.look
        return "look" if look else "ok"

    def told(self, speak: Callable[[str], str]) -> JsonObject:
        """The check as JSON, in the words of one language."""
        return {
            "name": self.name,
            "ok": self.ok,
            "state": self.state,
            "sentence": self.found.render(speak),
            "next_step": self.next_step.render(speak) if self.next_step else "",
        }


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor examines: a configuration and, if it runs, its connector, through the SDK or from inside."""

    config: "Config"
    clock: Clock
    running: bool = False
    space: Any = None  # the SDK, unless a connector checks itself


def failed(name: str, error: MedspaceError) -> HealthCheck:
    """A check that failed, or could not be made."""
    return HealthCheck(name, ok=False, found=error.text, next_step=error.advice)
