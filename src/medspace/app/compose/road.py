"""Catalogue, negotiations, transfers, usage control: the road from find to release, and its public door."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import reduce
from typing import Any

from medspace.adapters.blobs.files import FileBlobStore
from medspace.adapters.http.guard import check_callback
from medspace.adapters.http.peers import DspClient
from medspace.adapters.runner import ProcessRunner, ThreadPool, ThreadRunner
from medspace.adapters.usekeys import FileUseKeys
from medspace.app.compose.base import Base
from medspace.app.doors.callers import Authenticate
from medspace.app.doors.protocol.endpoints import BASE, ProtocolEndpoints, protocol_routes
from medspace.app.doors.protocol.parts import PartEndpoint
from medspace.app.doors.protocol.public import part_routes, public_routes
from medspace.app.node.announcing import Announcement
from medspace.app.node.aside import sources_of
from medspace.app.node.assets import Assets
from medspace.app.node.membership import Membership
from medspace.connector.catalogue.service import Catalogue
from medspace.connector.dispatch.service import Dispatcher, Settlement
from medspace.connector.duties.service import broken_by
from medspace.connector.ending import StaleEnding
from medspace.connector.model import ProcessKind
from medspace.connector.negotiation.service import Negotiations
from medspace.connector.negotiation.steps import NegotiationSteps
from medspace.connector.negotiation.strategy import Answering, PolicyStrategy
from medspace.connector.quotas import Quotas
from medspace.connector.transfer.service import Transfers
from medspace.connector.transfer.steps import TransferSteps
from medspace.connector.usage.calls import Holder
from medspace.connector.usage.conditions import Grounds, kept_duties, kept_routes
from medspace.connector.usage.ended import ended_with, is_ended, over, supersede
from medspace.connector.usage.notebook import Notebook
from medspace.connector.usage.ports import Runners
from medspace.connector.usage.seats import SiteIdentity
from medspace.connector.usage.service import UsageControl
from medspace.connector.usage.strategy import UsageStrategy
from medspace.connector.usage.terminations import Terminations
from medspace.connector.usage.tokens import JobTokens
from medspace.core.canonical import JsonObject
from medspace.core.decision import Decision
from medspace.core.text import Text
from medspace.core.usage import Step
from medspace.trust.did import base_url, build_document, document_url
from medspace.trust.model import ServiceEntry

CATALOG = "/catalog"
USE_KEYS = "keys/uses"  # the folder of the keys of uses, beside the configuration; not part of a backup
STEPS = "steps"  # the folder in which processes do their steps, beside the configuration


class Road:
    """Catalogue, negotiations, transfers, usage control: the road from find to release."""

    def __init__(
        self, base: Base, assets: Assets, tokens: JobTokens, look_again: Callable[[], Awaitable[bool]]
    ) -> None:
        self.base = base
        config, local, database = base.config, base.local, base.database
        self.assets, self.kinds = assets, assets.kinds
        answering = Answering(config.negotiations.answers)
        holder = self._holder()
        grounds = Grounds(holder, base.parts.brakes, base.facts, self._looked_at)
        conditions = tuple(make(grounds) for make in base.parts.conditions)
        kept = kept_duties(conditions), kept_routes(conditions)
        strategy = PolicyStrategy(local, base.facts, answering, over, *kept, ended_with, is_ended, broken_by)
        negotiation_steps = NegotiationSteps(local, strategy, supersede)
        usage_strategy = UsageStrategy(
            config.base_url, self.kinds, tokens, base.facts, base.clock, conditions, holds=base.parts.brakes.steady
        )
        transfer_steps = TransferSteps(local, usage_strategy, negotiation_steps)
        self.identity = SiteIdentity(base.signing, base.book, look_again, base.clock)
        self.transport = DspClient(base.client, base.identity)
        settlements: Mapping[ProcessKind, Settlement] = {
            ProcessKind.NEGOTIATION: negotiation_steps,
            ProcessKind.TRANSFER: transfer_steps,
        }
        self.dispatcher = Dispatcher(database, self.transport, settlements, base.clock, base.randomness)
        quota = config.quotas
        quotas = Quotas(quota.negotiations, quota.transfers, quota.megabytes << 20)
        self.negotiations = Negotiations(database, negotiation_steps, self.dispatcher, self._check, quotas)
        objections = [one.objections(base.clock) for one in base.parts.features if one.objections is not None]
        self.transfers = Transfers(
            database, transfer_steps, self.dispatcher, self._check, quotas, objections=objections
        )
        self.ending = StaleEnding(
            database, self.negotiations, self.transfers, base.clock, timedelta(days=quota.idle_days)
        )
        self.catalogue = Catalogue(database, local)
        self.terminations = Terminations(self.transfers.terminate)
        self.usage = UsageControl(
            holder,
            engines=base.parts.engines,
            database=database,
            tokens=tokens,
            facts=base.facts,
            clock=base.clock,
            randomness=base.randomness,
            conditions=conditions,
            keys=FileUseKeys(config.path(USE_KEYS), base.randomness),
            identity=self.identity,
            runners=self._runners(),
            changes=base.changes,
            blobs=self._blobs(),
            keep_parts=timedelta(days=config.parts.keep_days),
            applied=base.parts.brakes,
        )

    def _looked_at(self, kind: str, step: Step) -> frozenset[str] | None:
        return self.usage.looked_at(kind, step)  # which needs the conditions that ask this

    def _blobs(self) -> FileBlobStore:
        config, clock = self.base.config, self.base.clock
        most = config.quotas.part_megabytes << 20
        return FileBlobStore(config.path(config.parts.folder), most, lambda: clock.now().timestamp())

    def _runners(self) -> Runners:
        """Where engines run; threads and processes are created on first use."""
        base, assets = self.base, self.assets
        sources = sources_of(base.config, assets.digests, assets.configured)
        processes = ProcessRunner(base.config.path(STEPS), base.parts.engines, sources, base.parts.clock_again)
        return Runners(ThreadPool(), {"thread": ThreadRunner(), "process": processes})

    def _holder(self) -> Holder:
        base = self.base
        notebook = Notebook(base.sealer, timedelta(days=base.config.questions.keep_days))

        def tell(admission: str, cause: str) -> None:
            base.log.warning("use.withheld", admission=admission, cause=cause)

        def warn(admission: str, earlier: int, differs: Text) -> None:
            base.log.warning("use.near_repeat", admission=admission, earlier=earlier, differs=str(differs))

        def near_end(asset: str) -> None:
            base.log.warning("budget.near_end", asset=asset)

        def end(use: str, decision: Decision) -> None:
            self.terminations.ask(use, decision)  # which needs transfers, which need the holder's conditions

        assets = self.assets
        return Holder(
            base.config.did,
            assets.sources,
            assets.questions,
            notebook,
            tell,
            end,
            assets.away,
            assets.settled,
            assets.numbers,
            warn,
            near_end,
        )

    def _check(self, address: str) -> None:
        check_callback(address, self.base.guard)

    def routes(
        self, membership: Membership, authenticate: Authenticate, announced: Sequence[Announcement] = ()
    ) -> list[Any]:
        """The routes of the public listener, with what features announce."""
        config, base = self.base.config, self.base
        door = ProtocolEndpoints(authenticate, self.catalogue, self.negotiations, self.transfers, self.dispatcher)
        service = ServiceEntry(f"{config.did}#catalog", "CatalogService", f"{config.base_url}{BASE}{CATALOG}")

        def document() -> JsonObject:  # with the current keys
            told = build_document(config.did, base.signer.public_key, [service], base.mldsa.known)
            return reduce(lambda made, one: one.added(made), announced, told)

        auth = next((one.auth for one in announced), None)

        path = document_url(config.did).removeprefix(base_url(config.did).removesuffix("/")) or "/did.json"
        return [
            *protocol_routes(door, auth),
            *public_routes(document, path, membership.signed_list, self.usage, authenticate),
            *part_routes(PartEndpoint(self.usage.parts, self.usage.parts.store, authenticate)),
        ]
