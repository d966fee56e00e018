"""Records for the contract of the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from medspace.core.store import Collection


class Phase(StrEnum):
    ASKED = "asked"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Case:
    id: str
    phase: Phase = Phase.ASKED
    peer: str | None = None
    rank: int = 0
    due: int | None = None
    seen: datetime = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    message: Mapping[str, object] = field(default_factory=dict)
    weights: tuple[float, ...] = ()

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]


CASES = Collection("cases", Case, ("phase", "peer", "rank", "due", "owner"), (("phase", "peer"),))
NOTES = Collection("notes", Case)
COLLECTIONS = (CASES, NOTES)
