"""The port from the coordinator to the sites; the app fills it with transfers and job endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from medspace.core.canonical import Json
from medspace.core.usage import Step


@dataclass(frozen=True, slots=True)
class Answer:
    """A release, as it came from a site. Nothing in it is trusted before it was checked."""

    site: str  # DID
    release: str
    round: int
    kind: str  # of output, such as glm.newton
    values: Mapping[str, Json]
    cohort: int
    digest: str  # of the release, as it stands in the site's log


class Sites(Protocol):
    """Where rounds are asked.

    All three are idempotent, so that a coordinator that was killed can do again whatever it does not remember.
    """

    async def begin(self, run: str, agreement: str, kind: str) -> str:
        """Start a use of this kind under the agreement for this run, or find the one that was started; its id.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site says no.
        """
        ...

    async def ask(self, use: str, step: Step) -> Answer:
        """One step; the same step again gives the same answer.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: the site says no.
        """
        ...

    async def end(self, use: str) -> None:
        """Complete the use. A use that is over already is no error.

        Raises:
            SiteAwayError: no answer.
        """
        ...
