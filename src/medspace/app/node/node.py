"""What each feature is given of a running connector: the wired rooms and their foundations."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.peers import DspClient
from medspace.adapters.metrics import Metrics
from medspace.adapters.mldsa import FileMldsaKeys
from medspace.app.node.assets import Assets
from medspace.app.node.changes import Changes
from medspace.app.node.config import Config
from medspace.connector.cutoff import CutOff
from medspace.connector.local import Local
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.ports import FactsOf
from medspace.connector.transfer.service import Transfers
from medspace.connector.usage import seats
from medspace.connector.usage.service import UsageControl
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness
from medspace.core.sealing import Sealer
from medspace.core.signing import HybridSigner
from medspace.core.store import Database
from medspace.core.text import Text
from medspace.runs.ports import Algorithm
from medspace.services.membership.service import Authority
from medspace.services.tokens.service import Tokens
from medspace.services.wallets.ports import PatientOffice
from medspace.trust.model import Caller, Member, facts
from medspace.trust.ports import Documents
from medspace.trust.service import Identity, MembersBook

Standing: TypeAlias = tuple[JsonObject, Iterable[Text]]  # the state of a thing: as JSON, and in sentences


@dataclass(frozen=True, slots=True)
class Node:
    """One running connector, as its features see it; `app.compose` creates it.

    `signing` signs what needs both signatures, `identity` authenticates to peers, `seat_keys` are those of runs;
    `authority` is set if this connector is the authority of its space; `features` are the names of all.
    """

    config: Config
    features: frozenset[str]
    algorithms: tuple[Callable[[], Algorithm], ...]
    database: Database
    clock: Clock
    randomness: Randomness
    changes: Changes
    local: Local
    signing: HybridSigner
    mldsa: FileMldsaKeys
    sealer: Sealer
    metrics: Metrics
    documents: Documents
    client: HttpClient
    identity: Identity
    transport: DspClient
    authenticate: Callable[[str | None], Awaitable[Caller]]
    book: MembersBook
    authority: Authority | None
    facts: FactsOf
    assets: Assets
    kinds: frozenset[str]
    negotiations: Negotiations
    transfers: Transfers
    usage: UsageControl
    seat_keys: seats.SiteIdentity
    actors: Tokens  # who acts here, and the tokens that admit them
    standing: Callable[[str], Awaitable[Standing]]  # of one's own dataset, from all features
    patients: Callable[[], PatientOffice | None]  # where what patients sign counts, if anywhere

    @property
    def did(self) -> str:
        """The DID of this connector."""
        return self.config.did

    @property
    def cutoff(self) -> CutOff:
        """What cuts off uses that may not go on."""
        return CutOff(self.database, self.clock, self.usage, self.transfers)

    def members(self) -> tuple[Member, ...]:
        """The members of the space, by the latest list."""
        return self.book.current.members if self.book.current else ()

    def names(self) -> Mapping[str, str]:
        """The name of each member by its DID."""
        return {member.did: member.name for member in self.members()}

    def roles(self, did: str) -> tuple[str, ...]:
        """The roles of a member, as the authority signed them."""
        return facts(self.book.current, did).roles

    def region(self, did: str) -> str | None:
        """The region of a member, as the authority signed it."""
        return facts(self.book.current, did).region
