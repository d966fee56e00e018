"""`medspace doctor --from DID`: another member calls this connector back, and its observations become checks."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from medspace.adapters.http.client import HttpClient
from medspace.app.features.reach.checks import clock_check, expiry_check, flaw_check, prefix_check
from medspace.app.features.reach.door import DOOR
from medspace.app.features.reach.sight import Sight
from medspace.app.node.checks import HealthCheck, failed
from medspace.app.node.config import Config
from medspace.connector.errors import UnreachableError
from medspace.core.clock import Clock
from medspace.core.decoding import read_json
from medspace.core.text import Fact, Text, msgid
from medspace.trust.did import base_url, document_url
from medspace.trust.errors import DocumentUnavailableError
from medspace.trust.service import Identity, MembersBook

OK = 200
LARGEST_ANSWER = 8192  # bytes
PATIENCE = 20.0  # seconds: the other one calls us meanwhile
NAME = msgid("from outside")


class _Refusal(msgspec.Struct, frozen=True):
    code: str


@dataclass(frozen=True, slots=True)
class Outside:
    """Asks members how this connector looks from where they are."""

    config: Config
    client: HttpClient
    identity: Identity
    book: MembersBook
    clock: Clock

    async def seen_from(self, did: str) -> list[HealthCheck]:
        """A member's observations as checks of the doctor; that it could not be asked is one as well.

        Raises:
            NotMemberError, NoMembersListError: it is not a member, so it is not asked.
        """
        self.book.member(did)
        url = f"{base_url(did)}{DOOR}"
        headers = {"Authorization": f"Bearer {self.identity.token_for(did)}"}
        try:
            answer = await self.client.request("POST", url, headers=headers, limit=LARGEST_ANSWER, timeout=PATIENCE)
        except UnreachableError as error:
            return [failed(NAME, error)]
        try:
            if answer.status == OK:
                return list(self._checks(did, read_json(answer.body, Sight)))
            return [self._refused(did, read_json(answer.body, _Refusal).code, answer.status)]
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return [self._refused(did, "", answer.status)]

    def _checks(self, did: str, sight: Sight) -> Iterator[HealthCheck]:
        facts: dict[str, Fact | Text] = {
            "did": did,
            "url": self.config.base_url,
            "milliseconds": sight.milliseconds,
            "code": sight.code,
        }
        if not sight.reached:
            if sight.flaw:
                yield flaw_check(NAME, sight.flaw, self.config.base_url)
                return
            yield HealthCheck(
                NAME,
                ok=False,
                found=Text(msgid("{did} does not reach {url} ({code})."), facts),
                next_step=_advice(sight.code, did),
            )
            return
        yield HealthCheck(NAME, ok=True, found=Text(msgid("{did} reaches {url} in {milliseconds} ms."), facts))
        yield prefix_check(NAME, sight, self.config)
        yield from expiry_check(NAME, sight, self.config.base_url, self.clock.now())
        yield from clock_check(NAME, sight, did)

    def _refused(self, did: str, code: str, status: int) -> HealthCheck:
        facts: dict[str, Fact | Text] = {
            "did": did,
            "code": code or "-",
            "status": status,
            "url": document_url(self.config.did),
        }
        if code == DocumentUnavailableError.code:
            found = Text(msgid("{did} cannot read your DID document at {url}: it does not reach you."), facts)
            return HealthCheck(NAME, ok=False, found=found, next_step=_advice(code, did))
        found = Text(msgid("{did} did not look (HTTP {status}, {code})."), facts)
        advice = Text(msgid("Try again in ten seconds, or ask another member: its version may not know this yet."))
        return HealthCheck(NAME, ok=False, found=found, next_step=advice)


def _advice(code: str, did: str) -> Text:
    if code == "peer.forbidden":
        return Text(
            msgid("For {did} your name leads to a private address: have the public DNS name your public address."),
            {"did": did},
        )
    return Text(
        msgid("Check the public DNS name, the firewall, and the proxy before the connector: it must pass {path}."),
        {"path": DOOR},
    )
