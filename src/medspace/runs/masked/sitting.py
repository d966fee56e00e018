"""A step at a seat of a masked run: the seat and its task, as used by everything that a site does there."""

from dataclasses import dataclass, field
from functools import cached_property

from medspace.core.engine import MASKED_GROUPS, Peers, Workplace
from medspace.core.errors import InvalidInputError
from medspace.core.limits import STEP
from medspace.core.parts import Blobs
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Step
from medspace.privacy.masking.thresholds import LEAST_SITES, Thresholds
from medspace.runs.masked.errors import OpeningsMissingError
from medspace.runs.masked.grouping import division, groups_of
from medspace.runs.masked.messages import QuestionProposal
from medspace.runs.masked.opening import SeatGroup
from medspace.runs.masked.ports import MaskedTask, Summed, SummedParts


@dataclass(frozen=True, slots=True)
class MaskedTaskKind:
    """One kind of task under masks, and the names of its outputs; a contribution with its vector has `most` bytes."""

    task: MaskedTask
    most: int = STEP

    @property
    def progress(self) -> str:
        """The output that says how far a run is."""
        return f"{self.task.name}.progress"

    @property
    def outcome(self) -> str:
        """The output that has the model."""
        return f"{self.task.name}.model"

    @property
    def quality(self) -> str:
        """The output that has a site's own quality: part of the model's, where the terms list it."""
        return f"{self.task.name}.quality"


@dataclass(frozen=True)
class Sitting:
    """One step at one seat."""

    site: MaskedTaskKind
    admission: Admission
    step: Step
    workplace: Workplace
    keys: Peers
    proposals: dict[tuple[str, int, str], QuestionProposal] = field(default_factory=dict)  # those that were opened

    @cached_property
    def summed(self) -> Summed | SummedParts:
        """The task."""
        return self.site.task.summed(self.step.task)

    @cached_property
    def tables(self) -> tuple[SeatGroup, ...]:
        """The seats and the terms of each group (`grouping`); there is one, of all seats, where the task has none.

        Raises:
            ThresholdsInvalidError: there are too few seats, in whichever group.
            InvalidInputError: the contract promises sums over all sites, and knows no groups.
        """
        keys, terms, groups = self.keys, self.keys.terms, groups_of(self.summed)
        if groups > 1 and self.admission.protection != MASKED_GROUPS:
            raise InvalidInputError(reason=Text(msgid("its sums are of fewer sites than its protection promises")))
        least, found = max(terms.min_sites, LEAST_SITES), []
        for seats in division(terms.manifest, keys.seats, groups):
            thresholds = Thresholds.for_seats(len(seats), terms.colluders, least)
            thresholds.check()
            found.append(SeatGroup(seats, keys.holder, terms.manifest, thresholds, self.leaving))
        return tuple(found)

    @property
    def leaving(self) -> frozenset[str]:
        """The seats that the run may go on without.

        For exact sums, those whose own terms say so. What noisy totals reveal by their difference, each site has paid
        for before it contributed, so any of them may leave; the task itself says which kind its totals are.
        """
        return frozenset(self.keys.seats) if self.admission.bounded else self.keys.terms.leaving

    @property
    def table(self) -> SeatGroup:
        """That of the group in which this site sits.

        Raises:
            ThresholdsInvalidError: there are too few seats, in whichever group.
        """
        return next(table for table in self.tables if self.keys.holder in table.seats)

    @property
    def peers(self) -> tuple[str, ...]:
        """The other seats of its group."""
        return tuple(site for site in self.table.seats if site != self.keys.holder)

    @property
    def blobs(self) -> Blobs:
        """The place of parts.

        Raises:
            InvalidInputError: there is none.
        """
        if self.workplace.blobs is None:
            raise InvalidInputError(reason=Text(msgid("there is no place for the parts of this run")))
        return self.workplace.blobs

    def sent(self, site: str) -> str:
        """What a peer has sent.

        Raises:
            OpeningsMissingError: nothing.
        """
        sent = self.step.inbox.get(site)
        if sent is None:
            raise OpeningsMissingError(site=site)
        return sent
