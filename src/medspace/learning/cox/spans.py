"""Who is summed at which time of a grid: what the difference of two sums over those at risk is about.

Between two times at which somebody has the event some rows leave those at risk, and others enter. Whoever sees both
sums sees the sum over these rows. So each such span, and each group with the event at one time, is judged as a sum of
its own: nobody is in it, or enough persons carry it (docs/decisions/0054).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medspace.core.usage import Admission
from medspace.learning.cox.maths import Survival
from medspace.privacy.disclosure import Matrix, Persons, Vector, effective, few, heaviest
from medspace.privacy.errors import DisclosureError


@dataclass(frozen=True, slots=True)
class RiskSpans:
    """Memberships as 0 and 1, rows x times with an event.

    `leaving`: at risk at this time for the last time; `entering`: for the first, but not the first of all;
    `dying`: has the event then.
    """

    leaving: Matrix
    entering: Matrix
    dying: Matrix

    def check(self, eta: Vector, persons: Persons, admission: Admission) -> None:
        """Whether enough persons carry each span with their risks, none of them too heavily.

        Raises:
            DisclosureError: they do not.
        """
        least = admission.min_cohort
        self.check_events(persons, admission)
        risk = np.exp(eta)
        for rows in (*self.leaving.T, *self.entering.T, *self.dying.T):
            weights = risk * rows
            if not rows.any():
                continue
            if effective(weights, persons) < least:
                raise DisclosureError("release.cohort")
            if admission.brakes.heaviest and heaviest(weights, persons) * least > 1.0 + 1e-9:
                raise DisclosureError("release.weight")

    def check_events(self, persons: Persons, admission: Admission) -> None:
        """Whether at each time nobody has the event, or enough persons.

        Raises:
            DisclosureError: few have it.
        """
        if any(few(rows > 0.0, persons, admission.min_cohort) for rows in self.dying.T):
            raise DisclosureError("release.cohort")

    def named(self) -> Iterator[tuple[str, Vector]]:
        """The rows of each span that has some, with a name."""
        for name in ("leaving", "entering", "dying"):
            for place, rows in enumerate(getattr(self, name).T):
                if rows.any():
                    yield f"({name} {place})", rows


def spans_of(survival: Survival, deaths: Sequence[int]) -> RiskSpans:
    """The spans of rows whose times are places on a grid; `deaths` says at which somebody has the event."""
    moments = np.flatnonzero(deaths)
    count = len(moments)
    last = np.searchsorted(moments, survival.time, side="right") - 1
    first = np.zeros_like(last)
    if survival.entry is not None:
        first = np.searchsorted(moments, survival.entry, side="right")
    present = (first <= last)[:, None]
    places = np.arange(count)
    leaving = present & (last[:, None] == places)
    entering = present & (first[:, None] == places) & (places > 0)
    dying = (survival.time[:, None] == moments) & survival.event[:, None]
    return RiskSpans(*(made.astype(np.float64) for made in (leaving, entering, dying)))
