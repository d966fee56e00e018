"""The assets of a running connector: each is opened by itself, behind the public door, and may be missed.

An asset is being opened, open, away (its server does not answer; it is tried again and again) or refused (its content
cannot be used; somebody has to fix it). Only an open one answers steps. One that is away or refused keeps no other
from being opened. What was published before stays in the catalogue while it is opened or away; what is refused is
withdrawn, and is tried again at the next start.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from medspace.adapters.logs import EventLogger
from medspace.adapters.runner.thread import ThreadPool
from medspace.app.holdings import Holding, Prepared, arrange, offer, refuse
from medspace.connector.catalogue.rules import check_form
from medspace.connector.local import Local
from medspace.connector.usage.errors import AssetAwayError, UseFailedError
from medspace.connector.usage.service import Makers
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.engine import Engine
from medspace.core.errors import MedspaceError, StorageError, WaitingError
from medspace.core.material import Form, Material, Source
from medspace.core.store import Database
from medspace.core.text import msgid
from medspace.core.usage import Admission

AT_ONCE = 2  # assets that are opened at the same time
FIRST_RETRY, LAST_RETRY = 1.0, 60.0  # seconds until one that is away is tried again: twice as long each time
PATIENCE = 5  # seconds after which somebody who asked may ask again


class AssetPhase(StrEnum):
    """How an asset stands."""

    OPENING = "opening"
    OPEN = "open"
    AWAY = "away"
    REFUSED = "refused"


class AssetBrokenError(MedspaceError):
    """An asset could not be opened, for a reason that nobody foresaw."""

    code = "asset.broken"
    sentence = msgid("{asset} could not be opened because of an unexpected error ({kind}).")
    next_step = msgid("Look at its file, and report this; the other assets are not affected.")


@dataclass(slots=True)
class AssetState:
    """One asset, as it stands: with what was found where it is open, with why it is not where it is not."""

    prepared: Prepared
    standing: AssetPhase = AssetPhase.OPENING
    holding: Holding | None = None
    error: MedspaceError | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # it is open or refused

    @property
    def id(self) -> str:
        """The asset."""
        return self.prepared.id


@dataclass(frozen=True, slots=True)
class Unopened:
    """The source of an asset that is not open yet."""

    asset: str
    form: Form

    def open(self, admission: Admission) -> Material:  # noqa: ARG002 - the port's
        """Nothing.

        Raises:
            AssetAwayError: always.
        """
        raise AssetAwayError(asset=self.asset, seconds=PATIENCE)


class Assets:
    """All assets of one connector.

    `sources`, `questions` and `numbers` are of now: usage control looks at them at each step.
    """

    def __init__(
        self,
        wanted: Sequence[Prepared],
        makers: Makers,
        database: Database,
        local: Local,
        clock: Clock,
        log: EventLogger,
    ) -> None:
        self._states = {prepared.id: AssetState(prepared) for prepared in wanted}
        self._makers, self._database, self._local = makers, database, local
        self._clock, self._log = clock, log
        self._threads = ThreadPool(AT_ONCE, "assets")
        self._tried = asyncio.Event()
        self.kinds = frozenset(kind for kind, _ in makers)
        self.sources: dict[str, Source] = {one.id: Unopened(one.id, one.form) for one in wanted}
        self.digests: dict[str, str] = {}  # of the content of each that is open
        self.questions = {one.id: one.questions for one in wanted if one.questions is not None}
        self.numbers = {one.id: one.numbers for one in wanted if one.numbers is not None}

    @property
    def states(self) -> Sequence[AssetState]:
        """How each asset stands, in the order of the configuration."""
        return tuple(self._states.values())

    def shown(self) -> Sequence[JsonObject]:
        """The same as JSON: `dataset`, `state`, and the `code` of what stands in its way, if anything does."""
        return [
            {"dataset": one.id, "state": one.standing.value, "code": one.error.code if one.error else None}
            for one in self.states
        ]

    def cells(self, asset: str) -> int:
        """How many cells an asset has; 0 where it is not open."""
        state = self._states.get(asset)
        return state.holding.cells if state and state.holding else 0

    def small_cells(self, asset: str) -> int:
        """How many pairs of codes too few persons of an asset have; 0 where it is not open. Blocking."""
        state = self._states.get(asset)
        return state.holding.small_cells() if state and state.holding else 0

    def away(self, asset: str) -> AssetAwayError | None:
        """What whoever asks an asset that is not open yet is told; None where it is open, refused or not there."""
        state = self._states.get(asset)
        if state is None or state.settled.is_set():
            return None
        return AssetAwayError(asset=asset, seconds=PATIENCE)

    async def settled(self, asset: str) -> None:
        """Wait until an asset is open, or refused."""
        if asset in self._states:
            await self._states[asset].settled.wait()

    async def tried(self) -> None:
        """Wait until every asset was tried once."""
        await self._tried.wait()

    async def arrange(self) -> None:
        """Bring labels and catalogue into line with the configuration, as far as nothing must be opened for it.

        Raises:
            OfferError, DatasetIdError: an asset could not be served as its offers promise.
        """
        wanted = [state.prepared for state in self.states]
        await self._database.write(lambda tx: arrange(tx, self._local, wanted, self.kinds))

    async def run(self) -> None:
        """Open every asset, those that are away again and again; until all are settled, or cancelled.

        Raises:
            MedspaceError: not one can be used as it is; why the first one cannot.
        """
        async with asyncio.TaskGroup() as tasks:
            for state in self.states:
                tasks.create_task(self._try(state))
        errors = [state.error for state in self.states if state.error and state.standing is AssetPhase.REFUSED]
        if errors and len(errors) == len(self.states):
            raise errors[0]
        self._tried.set()
        async with asyncio.TaskGroup() as tasks:
            for state in self.states:
                if not state.settled.is_set():
                    tasks.create_task(self._try_again(state))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.close()

    # --- one asset ---------------------------------------------------------------------------------------------
    async def _try_again(self, state: AssetState) -> None:
        seconds = FIRST_RETRY
        while not state.settled.is_set():
            await self._clock.sleep(seconds)
            seconds = min(2 * seconds, LAST_RETRY)
            await self._try(state)

    async def _try(self, state: AssetState) -> None:
        try:
            await self._open_or_refuse(state)
        except (WaitingError, StorageError) as error:
            self._log.warning("asset.away", asset=state.id, code=error.code, cause=str(error.text))
            state.standing, state.error = AssetPhase.AWAY, error

    async def _open_or_refuse(self, state: AssetState) -> None:
        try:
            holding = await self._opened(state)
            await self._database.write(lambda tx: offer(tx, self._local, holding, self.kinds))
        except (WaitingError, StorageError):
            raise
        except MedspaceError as error:
            await self._refuse(state, error)
        else:
            self.sources[state.id], self.questions[state.id] = holding.checked.source, holding.questions
            self.numbers[state.id] = holding.numbers
            self.digests[state.id] = holding.checked.digest
            state.standing, state.holding, state.error = AssetPhase.OPEN, holding, None
            self._log.info("asset.open", asset=state.id, count=holding.checked.count)
            state.settled.set()

    async def _opened(self, state: AssetState) -> Holding:
        try:
            return await self._threads.call(state.id, lambda: self._open(state.prepared))
        except UseFailedError as error:
            cause = error.__cause__ or error
            raise AssetBrokenError(asset=state.id, kind=type(cause).__name__) from cause

    def _open(self, prepared: Prepared) -> Holding:
        check_form(prepared.dataset, prepared.form, self._taken(prepared.dataset.formats))
        return prepared.open()

    def _taken(self, formats: Sequence[str]) -> Mapping[str, frozenset[Form]]:
        """The forms that the engines of each format take; of a format with an engine that opens nothing, none."""
        made: dict[str, list[Engine]] = {kind: [] for kind in formats}
        for (kind, _), maker in self._makers.items():
            if kind in made:
                made[kind].append(maker())
        return {
            kind: frozenset(form for engine in engines for form in engine.forms)
            for kind, engines in made.items()
            if all(engine.forms for engine in engines)
        }

    async def _refuse(self, state: AssetState, error: MedspaceError) -> None:
        self._log.error("asset.refused", asset=state.id, code=error.code, cause=str(error.text))
        await self._database.write(lambda tx: refuse(tx, self._local, state.id))
        del self.sources[state.id]
        state.standing, state.error = AssetPhase.REFUSED, error
        state.settled.set()
