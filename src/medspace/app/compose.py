"""The only place that wires rooms and adapters together.

To swap a part, pass other `Parts`: a database, a clock, randomness, the transport's resolver, or more engines. A
new kind of use is an engine and its line in `ENGINES`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.applications import Starlette

from medspace.adapters.http.client import HttpClient, Resolver, system_resolver, tls_context
from medspace.adapters.http.guard import Guard, check_callback
from medspace.adapters.http.peers import DspClient, HttpDocuments, HttpMembers, JobClient
from medspace.adapters.keys import load_key, load_token, passphrase_from
from medspace.adapters.logs import logger
from medspace.adapters.metrics import Metrics
from medspace.adapters.sql import open_database, pending, upgrade
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.api.counting import Counting
from medspace.app.api.guarded import Guarded
from medspace.app.api.management import management_app
from medspace.app.api.protocol import BASE, Door, protocol_routes
from medspace.app.api.public import public_routes
from medspace.app.bell import Bell, RingingDatabase
from medspace.app.config import Config, is_loopback
from medspace.app.desk import Desk
from medspace.app.finding import CATALOG, Finder
from medspace.app.holdings import Holdings, open_holdings
from medspace.app.membership import Membership
from medspace.app.sites import TransferSites
from medspace.app.training import Training
from medspace.connector import model as connector_model
from medspace.connector.catalogue.service import Catalogue
from medspace.connector.dispatch.service import Dispatcher, Settlement
from medspace.connector.local import Local
from medspace.connector.model import Kind
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.negotiation.steps import Steps as NegotiationSteps
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.connector.transfer.service import Transfers
from medspace.connector.transfer.steps import Steps as TransferSteps
from medspace.connector.usage import model as usage_model
from medspace.connector.usage.service import UsageControl
from medspace.connector.usage.strategy import UsageStrategy
from medspace.connector.usage.tokens import JobTokens
from medspace.core.clock import Clock, Randomness
from medspace.core.signing import Ed25519Signer
from medspace.core.store import Collection, Database, Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Engine
from medspace.learning import model as learning_model
from medspace.learning.engine import GlmEngine
from medspace.learning.service import Coordinator
from medspace.ledger.model import CHECKPOINTS
from medspace.services.membership import model as membership_model
from medspace.services.membership.service import Authority
from medspace.trust import model as trust_model
from medspace.trust.did import base_url, build_document, document_url
from medspace.trust.jws import decode
from medspace.trust.model import ServiceEntry
from medspace.trust.service import Gatekeeper, Identity, MembersBook

COLLECTIONS: tuple[Collection[Any], ...] = (
    *connector_model.COLLECTIONS,
    *usage_model.COLLECTIONS,
    *trust_model.COLLECTIONS,
    *membership_model.COLLECTIONS,
    *learning_model.COLLECTIONS,
    CHECKPOINTS,
)

# One engine for each kind of use that is served beside the data.
ENGINES: tuple[Callable[[], Engine], ...] = (GlmEngine,)

PASSPHRASE = "MEDSPACE_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable


class ClosableDatabase(Database, Protocol):
    """A database that is closed at the end."""

    async def close(self) -> None:
        """Finish what waits, then let go."""
        ...


OpenDatabase = Callable[[str, Iterable[Collection[Any]]], ClosableDatabase]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a connector is made of, besides its configuration."""

    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    engines: Sequence[Callable[[], Engine]] = ENGINES
    open_database: OpenDatabase = open_database
    resolve: Resolver = system_resolver


@dataclass(frozen=True, slots=True)
class Connector:
    """One running connector: two applications, and the work that goes on behind them."""

    config: Config
    public_app: Any
    private_app: Any
    desk: Desk
    usage: UsageControl
    works: tuple[Callable[[], Awaitable[None]], ...]
    _close: Callable[[], Awaitable[None]]

    async def work(self) -> None:
        """Deliver messages, refresh the members list, lead training runs; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in self.works:
                tasks.create_task(_running(work))

    async def close(self) -> None:
        """Let go of connections and the database."""
        await self._close()


async def _running(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def migrate(config: Config, announce: Callable[[Text], None]) -> None:
    """Bring the database to the schema of this version, and say so."""
    due = pending(config.database_url)
    if due:
        announce(Text(msgid("Bringing the database up to date: {steps}"), {"steps": ", ".join(due)}))
        upgrade(config.database_url)


async def open_connector(config: Config, parts: Parts, announce: Callable[[Text], None]) -> Connector:
    """Make a connector out of its configuration: keys, database, members list, assets; nothing is answered yet.

    Raises:
        SecretFileError, SecretExposedError: a key or token file is missing, broken or readable by others.
        StorageTakenError: another connector runs on the database.
        TableRefusedError, DictionaryError, InvalidTermsError, ...: an asset cannot be offered as configured.
    """
    migrate(config, announce)
    database = parts.open_database(config.database_url, COLLECTIONS)
    try:
        return await _compose(config, parts, database)
    except BaseException:
        await database.close()
        raise


async def _compose(config: Config, parts: Parts, database: ClosableDatabase) -> Connector:
    base = _Base(config, parts, database)
    await base.book.load()
    membership = base.membership()
    holdings = open_holdings(config)
    exchange = _Exchange(base, holdings)
    await holdings.publish(base.database, base.local, exchange.kinds)
    learning = _Learning(base, exchange)
    desk = _desk(base, membership, exchange, learning)
    token = load_token(config.path(config.private.token))
    return Connector(
        config=config,
        public_app=Counting(Starlette(routes=exchange.routes(membership)), base.metrics, "public"),
        private_app=Counting(Guarded(management_app(desk), token), base.metrics, "private"),
        desk=desk,
        usage=exchange.usage,
        works=(exchange.dispatcher.run, membership.work, learning.work),
        _close=base.close,
    )


class _Base:
    """Identity, clock, database, HTTP client and members: what every other part stands on."""

    def __init__(self, config: Config, parts: Parts, database: ClosableDatabase) -> None:
        self.config, self.parts, self.raw_database = config, parts, database
        self.clock, self.randomness = parts.clock, parts.randomness
        self.bell = Bell()
        self.database = RingingDatabase(database, self.bell)
        self.metrics = Metrics()
        self.log = logger(participant=config.did)
        self.signer: Ed25519Signer = load_key(config.path(config.participant.key), passphrase_from(PASSPHRASE))
        self.identity = Identity(config.did, self.signer, self.clock, self.randomness)
        self.guard = Guard.of(config.network.allow, loopback=_allows_loopback(config))
        authorities = config.network.certificates
        tls = tls_context(config.path(authorities)) if authorities else None
        self.client = HttpClient(self.guard, tls=tls, resolve=parts.resolve)
        self.documents = HttpDocuments(self.client)
        self.local = Local(config.did, config.base_url + BASE, self.clock, self.randomness)
        self.book = self._members_book()

    def _members_book(self) -> MembersBook:
        space = self.config.space
        source = HttpMembers(self.client, self.identity, authority=space.authority, url=base_url(space.authority))
        return MembersBook(space.authority, self._authority_key(), source, self.database, self.clock)

    def _authority_key(self) -> bytes:
        if self.config.is_authority:
            return self.signer.public_key
        return decode(self.config.space.authority_key)

    def membership(self) -> Membership:
        """The members list, and the gatekeeper that goes by it."""
        config = self.config
        gatekeeper = Gatekeeper(config.did, self.documents, self.book, self.database, self.clock)
        authority = None
        if config.is_authority:
            authority = Authority(config.did, self.signer, self.book, self.database, self.clock)
        return Membership(config, self.signer.public_key, self.book, gatekeeper, authority, self.clock, self.log)

    def region_of(self, _: Transaction, did: str) -> str | None:
        """The region of a member, as the authority signed it."""
        current = self.book.current
        member = current.find(did) if current else None
        return member.region or None if member else None

    async def close(self) -> None:
        """Let go of connections and the database."""
        await self.client.close()
        await self.raw_database.close()


class _Exchange:
    """Catalogue, negotiations, transfers, usage control: the road from find to release."""

    def __init__(self, base: _Base, holdings: Holdings) -> None:
        self.base = base
        config, local, database = base.config, base.local, base.database
        engines = tuple(make() for make in base.parts.engines)
        self.kinds = frozenset(engine.kind for engine in engines)
        tokens = JobTokens.of(base.signer)
        answering = Answering(config.negotiations.answers)
        negotiation_steps = NegotiationSteps(local, PolicyStrategy(local, base.region_of, answering))
        usage_strategy = UsageStrategy(config.base_url, self.kinds, tokens, base.region_of, base.clock)
        transfer_steps = TransferSteps(local, usage_strategy, negotiation_steps)
        self.transport = DspClient(base.client, base.identity)
        settlements: Mapping[Kind, Settlement] = {Kind.NEGOTIATION: negotiation_steps, Kind.TRANSFER: transfer_steps}
        self.dispatcher = Dispatcher(database, self.transport, settlements, base.clock, base.randomness)
        self.negotiations = Negotiations(database, negotiation_steps, self.dispatcher, self._check)
        self.transfers = Transfers(database, transfer_steps, self.dispatcher, self._check)
        self.catalogue = Catalogue(database, local)
        self.usage = UsageControl(
            did=config.did,
            engines=engines,
            sources=holdings.sources,
            database=database,
            tokens=tokens,
            region_of=base.region_of,
            clock=base.clock,
            randomness=base.randomness,
        )

    def _check(self, address: str) -> None:
        check_callback(address, self.base.guard)

    def routes(self, membership: Membership) -> list[Any]:
        """The routes of the public listener."""
        config, base = self.base.config, self.base
        door = Door(membership.authenticate, self.catalogue, self.negotiations, self.transfers, self.dispatcher)
        service = ServiceEntry(f"{config.did}#catalog", "CatalogService", f"{config.base_url}{BASE}{CATALOG}")
        document = build_document(config.did, base.signer.public_key, [service])
        path = document_url(config.did).removeprefix(base_url(config.did).removesuffix("/")) or "/did.json"
        return [
            *protocol_routes(door),
            *public_routes(document, path, membership.signed_list, self.usage, membership.authenticate),
        ]


class _Learning:
    """The coordinator of this connector's own runs."""

    def __init__(self, base: _Base, exchange: _Exchange) -> None:
        jobs = JobClient(base.client, base.identity)
        sites = TransferSites(exchange.transfers, jobs, base.database, base.bell)
        self.coordinator = Coordinator(base.database, sites, base.clock, base.randomness, base.config.did)
        self.training = Training(base.config.did, self.coordinator, base.database, base.region_of, base.clock)

    async def work(self) -> None:
        """Go on with every run that is not over; stop leading when cancelled."""
        try:
            await self.training.resume()
            await asyncio.Event().wait()
        finally:
            with suppress(asyncio.CancelledError):
                await self.training.stop()


def _desk(base: _Base, membership: Membership, exchange: _Exchange, learning: _Learning) -> Desk:
    return Desk(
        config=base.config,
        database=base.database,
        bell=base.bell,
        clock=base.clock,
        signer=base.signer,
        metrics_of=base.metrics,
        documents=base.documents,
        book=base.book,
        authority=membership.authority,
        finder=Finder(base.documents, exchange.transport),
        negotiating=exchange.negotiations,
        transferring=exchange.transfers,
        coordinator=learning.coordinator,
        training=learning.training,
        kinds=exchange.kinds,
    )


def _allows_loopback(config: Config) -> bool:
    # A connector that is itself reachable on loopback only is being tried out on one machine.
    return is_loopback(config.public.host) and not config.public.behind_proxy
