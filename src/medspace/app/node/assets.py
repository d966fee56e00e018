"""The assets of a running connector. Each is opened separately, after the public door has opened, and may be missing.

An asset is opening, open, away (its server does not answer; opening is retried) or refused (its content cannot be
used; a person has to fix it). Only an open asset answers steps. One that is away or refused does not keep others from
being opened. An asset that was published before stays in the catalogue while it is opening or away; a refused one is
withdrawn, and is tried again at the next start.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from medspace.adapters.logs import EventLogger
from medspace.adapters.runner.thread import ThreadPool
from medspace.app.node.config import Config
from medspace.app.node.holdings import Holding, Prepared, arrange, note_limits, offer, prepare, refuse
from medspace.app.node.sources import SCHEMES, Scheme
from medspace.connector.catalogue.rules import check_form
from medspace.connector.local import Local
from medspace.connector.usage.errors import AssetAwayError, UseFailedError
from medspace.connector.usage.service import Makers
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.engine import Engine
from medspace.core.errors import MedspaceError, StorageError, WaitingError
from medspace.core.material import Checked, Form, Material, Source
from medspace.core.store import Database, Transaction
from medspace.core.text import msgid
from medspace.core.usage import Admission

AT_ONCE = 2  # assets that are opened at the same time
FIRST_RETRY, LAST_RETRY = 1.0, 60.0  # seconds until an unavailable asset is tried again: doubled each time
PATIENCE = 5  # seconds after which a caller may ask again


class AssetPhase(StrEnum):
    """The states of an asset."""

    OPENING = "opening"
    OPEN = "open"
    AWAY = "away"
    REFUSED = "refused"


class AssetBrokenError(MedspaceError):
    """An asset could not be opened, for an unexpected reason."""

    code = "asset.broken"
    sentence = msgid("{asset} could not be opened because of an unexpected error ({kind}).")
    next_step = msgid("Look at its file, and report this; the other assets are not affected.")


@dataclass(slots=True)
class AssetState:
    """The state of one asset: its content if it is open, the reason if it is not."""

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
        """Always fails.

        Raises:
            AssetAwayError: always.
        """
        raise AssetAwayError(asset=self.asset, seconds=PATIENCE)


class Assets:
    """All assets of one connector.

    `sources`, `questions` and `numbers` are live: usage control reads them at each step. `configured` is the
    configuration of each asset.
    """

    def __init__(
        self,
        wanted: Sequence[Prepared],
        makers: Makers,
        database: Database,
        local: Local,
        clock: Clock,
        log: EventLogger,
        schemes: Mapping[str, Scheme] = SCHEMES,
    ) -> None:
        self._schemes, self._changing = schemes, asyncio.Lock()
        self._states = {prepared.id: AssetState(prepared) for prepared in wanted}
        self._makers, self._database, self._local = makers, database, local
        self._clock, self._log = clock, log
        self._threads = ThreadPool(AT_ONCE, "assets")
        self._tried = asyncio.Event()
        self.kinds = frozenset(kind for kind, _ in makers)
        self.sources: dict[str, Source] = {one.id: Unopened(one.id, one.form) for one in wanted}
        self.digests: dict[str, str] = {}  # digest of the content of each open asset
        self.questions = {one.id: one.questions for one in wanted if one.questions is not None}
        self.numbers = {one.id: one.numbers for one in wanted if one.numbers is not None}
        self.configured = {one.id: one.configured for one in wanted if one.configured is not None}

    @property
    def states(self) -> Sequence[AssetState]:
        """The state of each asset, in the order of the configuration."""
        return tuple(self._states.values())

    def shown(self) -> Sequence[JsonObject]:
        """The states as JSON: `dataset`, `state`, and the `code` of the problem, if there is one."""
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
        return sum(state.holding.small_cells().values()) if state and state.holding else 0

    def away(self, asset: str) -> AssetAwayError | None:
        """The error for a caller who asks an asset that is not open yet.

        None where it is open, refused or unknown.
        """
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
        """Bring labels and catalogue into line with the configuration, as far as that needs no content.

        Raises:
            OfferError, DatasetIdError: an asset could not be served as its offers promise.
        """
        wanted = [state.prepared for state in self.states]
        await self._database.write(lambda tx: arrange(tx, self._local, wanted, self.kinds))

    async def run(self) -> None:
        """Open every asset, retrying those that are away, until all are settled, or cancelled.

        Raises:
            MedspaceError: no asset can be used; the error of the first one.
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

    async def reload(self, config: Config, by: str = NOBODY, *, afresh: bool = False) -> None:
        """Hold what a configuration says from now on, as `hold` does; `afresh`: all content is read again.

        Raises:
            MedspaceError: as `prepare` and `hold`.
        """
        await self.hold(await self.prepared(config), by, afresh=afresh)

    async def prepared(self, config: Config) -> tuple[Prepared, ...]:
        """What a configuration says, parsed; nothing is held yet.

        Raises:
            MedspaceError: as `prepare`.
        """
        return await asyncio.to_thread(prepare, config, self._schemes, self.kinds)

    async def hold(self, wanted: Sequence[Prepared], by: str = NOBODY, *, afresh: bool = False) -> None:
        """Hold these assets from now on, at once and as a whole: what is invalid changes nothing.

        What is new, or kept elsewhere than before, is opened first; what stays as it was stays open, and is opened
        anew only where all is wanted `afresh`. `by` is whom the log names for what changes.

        Raises:
            MedspaceError: an asset cannot be held or offered as it is configured, or is away.
        """
        async with self._changing:
            opened = {one.id: await self._reopened(one, afresh=afresh) for one in wanted}

            def unit(tx: Transaction) -> None:
                arrange(tx, self._local, wanted, self.kinds, by)
                for one in wanted:
                    holding, state = opened[one.id], self._states.get(one.id)
                    note_limits(tx, self._local, state.prepared if state else None, one, by)
                    if holding is not None and one.offered:
                        offer(tx, self._local, holding, self.kinds, by)

            await self._database.write(unit)
            self._take(wanted, opened)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.close()

    # --- another configuration ---------------------------------------------------------------------------------
    async def _reopened(self, wanted: Prepared, *, afresh: bool) -> Holding | None:
        """The content of an asset under another configuration; None where it is still being opened, or is refused."""
        state = self._states.get(wanted.id)
        if afresh or state is None or not state.prepared.same_content(wanted):
            return await self._called(wanted.id, lambda: self._open(wanted))
        if state.holding is not None:
            checked = state.holding.checked
            return await self._called(wanted.id, lambda: self._held(wanted, checked))
        if state.standing is AssetPhase.REFUSED:
            with suppress(MedspaceError):  # it may have been fixed meanwhile; if not, it stays refused
                return await self._called(wanted.id, lambda: self._open(wanted))
        return None

    def _take(self, wanted: Sequence[Prepared], opened: Mapping[str, Holding | None]) -> None:
        before, self._states = self._states, {}
        for one in wanted:
            state = before.pop(one.id, None)
            if state is None or not state.prepared.same_content(one):
                if state is not None:
                    state.settled.set()  # no attempt to open the old content remains
                state = AssetState(one)
            state.prepared = one
            self._states[one.id] = state
            self._configure(one)
            holding = opened[one.id]
            if holding is not None:
                self._opened_as(state, holding)
            elif state.standing is not AssetPhase.REFUSED:
                self.sources.setdefault(one.id, Unopened(one.id, one.form))
        for gone in before.values():
            gone.settled.set()
            for known in (self.sources, self.digests, self.questions, self.numbers, self.configured):
                known.pop(gone.id, None)

    def _configure(self, one: Prepared) -> None:
        """Apply the configuration of an asset before it is open."""
        for known, said in ((self.questions, one.questions), (self.numbers, one.numbers)):
            if said is not None:
                known[one.id] = said
        if one.configured is not None:
            self.configured[one.id] = one.configured

    def _opened_as(self, state: AssetState, holding: Holding) -> None:
        """From now on, steps on it are answered."""
        self.sources[state.id], self.questions[state.id] = holding.checked.source, holding.questions
        self.numbers[state.id] = holding.numbers
        self.digests[state.id] = holding.checked.digest
        state.standing, state.holding, state.error = AssetPhase.OPEN, holding, None
        state.settled.set()

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
        while not state.settled.is_set():
            prepared, holding, flaw = state.prepared, None, None
            try:
                holding = await self._called(state.id, lambda: self._open(prepared))  # noqa: B023 - awaited here
            except (WaitingError, StorageError):
                raise
            except MedspaceError as error:
                flaw = error
            async with self._changing:
                if state.settled.is_set() or state.prepared is not prepared:
                    continue  # the configuration was replaced meanwhile
                await self._settle(state, holding, flaw)

    async def _settle(self, state: AssetState, holding: Holding | None, flaw: MedspaceError | None) -> None:
        """Offer an asset that was opened, or refuse it."""
        try:
            if holding is not None and state.prepared.offered:
                await self._database.write(lambda tx: offer(tx, self._local, holding, self.kinds))
        except (WaitingError, StorageError):
            raise
        except MedspaceError as error:
            flaw = error
        if holding is None or flaw is not None:
            await self._refuse(state, flaw or AssetBrokenError(asset=state.id, kind="-"))
        else:
            self._opened_as(state, holding)
            self._log.info("asset.open", asset=state.id, count=holding.checked.count)

    async def _called(self, asset: str, work: Callable[[], Holding]) -> Holding:
        try:
            return await self._threads.call(asset, work)
        except UseFailedError as error:
            cause = error.__cause__ or error
            raise AssetBrokenError(asset=asset, kind=type(cause).__name__) from cause

    def _open(self, prepared: Prepared) -> Holding:
        check_form(prepared.dataset, prepared.form, self._taken(prepared.dataset.formats))
        return prepared.open()

    def _held(self, prepared: Prepared, checked: Checked) -> Holding:
        check_form(prepared.dataset, prepared.form, self._taken(prepared.dataset.formats))
        return prepared.holding(checked)

    def _taken(self, formats: Sequence[str]) -> Mapping[str, frozenset[Form]]:
        """The forms that the engines of each format take; none for a format with an engine that opens no content."""
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
        self.sources.pop(state.id, None)
        state.standing, state.error = AssetPhase.REFUSED, error
        state.settled.set()
