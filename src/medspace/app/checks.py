"""One thing that the doctor looked at."""

from collections.abc import Callable
from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.text import Text


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at: what was found, and what to do about it, if anything."""

    name: str
    ok: bool
    found: Text
    next_step: Text | None = None

    def told(self, speak: Callable[[str], str]) -> JsonObject:
        """The same as JSON, in the words of one language."""
        return {
            "name": self.name,
            "ok": self.ok,
            "sentence": self.found.render(speak),
            "next_step": self.next_step.render(speak) if self.next_step else "",
        }


def failed(name: str, error: MedspaceError) -> HealthCheck:
    """What could not be looked at, or is not in order."""
    return HealthCheck(name, ok=False, found=error.text, next_step=error.advice)
