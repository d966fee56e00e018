"""This connector's membership: who may call, the list it goes by, and, for the authority, keeping that list."""

import asyncio

from medspace.adapters.logs import EventLogger
from medspace.app.config import Config
from medspace.core.clock import Clock
from medspace.core.errors import MedspaceError
from medspace.core.signing import HybridSigner
from medspace.services.membership.service import Authority
from medspace.trust.errors import KeyMismatchError, NoMembersListError, NotMemberError, TokenKeyError
from medspace.trust.model import Caller, Member
from medspace.trust.service import Gatekeeper, MembersBook

EVERY = 3600.0  # seconds between refreshes
FIRST_PAUSE = 0.25  # seconds; a connector that is not a member yet asks again, ever less often
LONGEST_PAUSE = 30.0
STRANGERS = 1.0  # seconds: a caller that is not on the list makes us look for a newer one, but not more often


class Membership:
    """Authenticates callers; a stranger may be a member that was admitted a moment ago, so the list is looked up."""

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
        self._fresh = False  # whether the last look brought a list
        self._looking = asyncio.Lock()
        self._failing = ""  # the code of the last refresh, while they fail

    def signed_list(self) -> str:
        """The list, if this connector is the authority that signs it."""
        return self._book.text if self.authority is not None else ""

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller that an Authorization header proves.

        Raises:
            UnauthenticatedError: one subclass for each reason.
        """
        try:
            return await self._gatekeeper.authenticate(authorization)
        except (NotMemberError, NoMembersListError, KeyMismatchError, TokenKeyError):
            if not await self.look_again():
                raise
        return await self._gatekeeper.authenticate(authorization)

    async def look_again(self) -> bool:
        """Fetch the list anew, but once a second; whether the last look brought one."""
        if self.authority is not None:
            return False
        async with self._looking:
            now = self._clock.now().timestamp()
            if abs(now - self._looked) >= STRANGERS:  # the clock may be set back
                self._looked = now
                self._fresh = await self._refreshed()
            return self._fresh  # who waited while another one looked profits from that look

    async def _refreshed(self) -> bool:
        try:
            await self._book.refresh()
        except MedspaceError as error:
            if error.code != self._failing:  # said once, not at every attempt
                self._log.warning("members.refresh_failed", code=error.code, reason=str(error.text))
            self._failing = error.code
            return False
        self._failing = ""
        return True

    async def work(self) -> None:
        """Keep the list fresh: the authority signs it anew, everybody else fetches it."""
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
        """Whether the authority is on its own list and the list is fresh; what stands against it is logged."""
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
