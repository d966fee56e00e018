"""This connector's membership: who may call, the list that decides it, and, for the authority, maintaining it."""

import asyncio

from medspace.adapters.logs import EventLogger
from medspace.app.node.config import Config
from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError
from medspace.core.signing import HybridSigner
from medspace.services.membership.service import Authority
from medspace.trust.errors import KeyMismatchError, NoMembersListError, NotMemberError, TokenKeyError
from medspace.trust.model import Caller, Member
from medspace.trust.service import Gatekeeper, MembersBook

EVERY = 3600.0  # seconds between refreshes
FIRST_PAUSE = 0.25  # seconds; a connector that is not a member yet asks again, with growing pauses
LONGEST_PAUSE = 30.0
STRANGERS = 1.0  # seconds: an unknown caller makes us look for a newer list, but not more often than this


class Membership:
    """Authenticates callers; an unknown one may have been admitted a moment ago, so the list is fetched again."""

    def __init__(
        self,
        config: Config,
        own: HybridSigner,
        book: MembersBook,
        gatekeeper: Gatekeeper,
        authority: Authority | None,
        clock: Clock,
        log: EventLogger,
    ) -> None:
        self.authority = authority
        self._config = config
        self._own = own
        self._book = book
        self._gatekeeper = gatekeeper
        self._clock = clock
        self._log = log
        self._looked = 0.0
        self._fresh = False  # whether the last fetch brought a list
        self._looking = asyncio.Lock()
        self._failing = ""  # the code of the last failed refresh, while they fail

    def signed_list(self) -> str:
        """The list, if this connector is the authority that signs it."""
        return self._book.text if self.authority is not None else ""

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller that an Authorization header proves.

        Raises:
            UnauthenticatedError: one subclass per reason.
        """
        try:
            return await self._gatekeeper.authenticate(authorization)
        except (NotMemberError, NoMembersListError, KeyMismatchError, TokenKeyError):
            if not await self.look_again():
                raise
        return await self._gatekeeper.authenticate(authorization)

    async def look_again(self) -> bool:
        """Fetch the list again, at most once a second; returns whether the last fetch brought one."""
        if self.authority is not None:
            return False
        async with self._looking:
            now = self._clock.now().timestamp()
            if abs(now - self._looked) >= STRANGERS:  # the clock may have been set back
                self._looked = now
                self._fresh = await self._refreshed()
            return self._fresh  # callers that waited for another fetch use its result

    async def _refreshed(self) -> bool:
        try:
            await self._book.refresh()
        except MedspaceError as error:
            if error.code != self._failing:  # logged once, not at every attempt
                self._log.warning("members.refresh_failed", code=error.code, reason=str(error.text))
            self._failing = error.code
            return False
        self._failing = ""
        return True

    async def work(self) -> None:
        """Keep the list fresh: the authority signs it again, all others fetch it."""
        if self.authority is not None:
            await self._keep(self.authority)
        pause = FIRST_PAUSE
        while True:
            fresh = await self._refreshed()
            pause = FIRST_PAUSE if fresh else min(2 * pause, LONGEST_PAUSE)
            await self._clock.sleep(EVERY if fresh else pause)

    async def _keep(self, authority: Authority) -> None:
        pause = FIRST_PAUSE
        while True:
            kept = await self._kept(authority)
            pause = FIRST_PAUSE if kept else min(2 * pause, LONGEST_PAUSE)
            await self._clock.sleep(EVERY if kept else pause)

    async def _kept(self, authority: Authority) -> bool:
        """Whether the authority is on its own list and the list is fresh; problems are logged."""
        participant = self._config.participant
        roles = tuple(dict.fromkeys((*participant.roles, "authority")))
        key, mldsa = self._own.public_key, self._own.mldsa.known
        own = Member(self._config.did, participant.name, participant.region, roles, key, mldsa=mldsa)
        try:
            await authority.admit(own)
            await authority.renew()
        except MedspaceError as error:
            self._log.error("members.not_published", code=error.code, reason=str(error.text))
            return False
        return True
