"""How far this machine's clock is from other clocks, by the Date header of their answers (RFC 9110 6.6.1).

The only request is for a DID document, which is public.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.peers import http_date
from medspace.app.node.config import Config
from medspace.app.node.outgoing import client_of
from medspace.connector.dispatch.rules import SKEW
from medspace.connector.errors import UnreachableError
from medspace.core.clock import Clock
from medspace.trust.did import LARGEST_DOCUMENT, document_url
from medspace.trust.errors import DidError

MOST_ASKED = 8  # connectors that are asked
PATIENCE = 3.0  # seconds for each of them; all are asked at the same time
_WHOLE = timedelta(seconds=0.5)  # a Date has whole seconds, truncated


@dataclass(frozen=True, slots=True)
class Comparison:
    """One other connector, and by how many seconds our clock is ahead of it; None where it is unknown."""

    did: str
    ahead: float | None

    @property
    def agrees(self) -> bool:
        """Whether the clocks agree, as far as is known."""
        return self.ahead is None or abs(self.ahead) < SKEW


async def compare(client: HttpClient, clock: Clock, dids: Sequence[str]) -> list[Comparison]:
    """Compare our clock with those of these participants; each is asked once, with a short timeout."""
    asked = list(dict.fromkeys(dids))[:MOST_ASKED]
    return list(await asyncio.gather(*(_one(client, clock, did) for did in asked)))


async def _one(client: HttpClient, clock: Clock, did: str) -> Comparison:
    began = clock.now()
    try:
        answer = await client.request("GET", document_url(did), limit=LARGEST_DOCUMENT, timeout=PATIENCE)
    except (UnreachableError, DidError):
        return Comparison(did, None)
    return Comparison(did, ahead(began, clock.now(), answer.headers.get("date", "")))


def ahead(began: datetime, ended: datetime, date: str) -> float | None:
    """By how many seconds we are ahead of a server that sent this date between these instants of our clock."""
    theirs = http_date(date)
    if theirs is None:
        return None
    # A difference within the duration of the call does not count.
    early, late = (began - theirs - _WHOLE).total_seconds(), (ended - theirs - _WHOLE).total_seconds()
    return min(early, late, key=abs) if early * late > 0 else 0.0


async def compare_now(config: Config, clock: Clock, dids: Sequence[str]) -> list[Comparison]:
    """As `compare`, with a client made for it."""
    client = client_of(config)
    try:
        return await compare(client, clock, dids)
    finally:
        await client.close()
