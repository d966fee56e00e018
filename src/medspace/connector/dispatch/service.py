"""The dispatcher: delivers the messages in the outbox, repeating them as needed, and records the results.

Nothing is polled: pending messages wait in a heap, and a new message wakes the dispatcher; each then waits for a
slot, of which every member has a few (`fair_queue`). Memory holds only what the attempts have shown (how many, and
whether one may have got through); after a restart, every message in the outbox may already have been sent.

A message is repeated while its failure may be temporary, but no longer than `RetryPolicy` says; after that the
process cannot continue, and its settlement ends it on both sides. A termination is repeated for longer, since only
the counterparty still has to learn of it.
"""

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from medspace.connector.dispatch.fair_queue import FairQueue, Sharing
from medspace.connector.dispatch.outbox import ProcessUpdate, stored
from medspace.connector.dispatch.rules import DeliveryResult, RetryPolicy, explained, meaning
from medspace.connector.errors import NotSentError, TransitionError, UnreachableError
from medspace.connector.model import INTENTS, Intent, P, ProcessFailure, ProcessKind
from medspace.connector.ports import Reply, Transport
from medspace.connector.states import DeliveryState
from medspace.core.canonical import Json
from medspace.core.clock import Clock, Randomness, instant
from medspace.core.errors import MedspaceError, StorageError
from medspace.core.store import Database, Transaction

_PAGE = 500
_SET_BACK = timedelta(seconds=1)
_LOGGER = logging.getLogger("medspace.dispatch")
_ENDING = "terminate"  # the action that ends a process of either kind
_SUPERSEDED = ProcessFailure("process.superseded", (), "us")
_UNFORESEEN = "process.unforeseen"
CODES = frozenset({_SUPERSEDED.code, _UNFORESEEN})


class Settlement(Protocol):
    """How one kind of process reacts to the fate of its messages; every method runs inside a transaction."""

    def acknowledged(self, tx: Transaction, intent: Intent, reply: Json) -> Intent | None:
        """The counterparty accepted the message; returns the next one that is due."""
        ...

    def failed(self, tx: Transaction, intent: Intent, failure: ProcessFailure) -> Intent | None:
        """The counterparty refused it or could not be reached; returns the next one that is due."""
        ...

    def troubled(self, tx: Transaction, intent: Intent, failure: ProcessFailure) -> None:
        """The message has not been accepted yet and is being repeated; people may want to know why."""
        ...

    def ended(self, tx: Transaction, intent: Intent, failure: ProcessFailure) -> None:
        """The counterparty could not be told in time that the process is over; it is over here all the same."""
        ...

    def due(self, tx: Transaction, intent: Intent) -> bool:
        """Whether the message still fits the state."""
        ...

    def question(self, tx: Transaction, intent: Intent) -> tuple[str, str] | None:
        """Where to ask for the counterparty's state, and the state that shows that the message was accepted."""
        ...


@dataclass(slots=True, eq=False)
class _Lane:
    intent: Intent
    standing: DeliveryState
    attempts: int = 0
    launched: bool = False
    doubtful: bool = False  # some attempt got no answer, and none got a final one
    fresh: bool = True  # it is sent at once, so it need not be checked for fit again
    busy: datetime | None = None  # since when the counterparty has answered that it does not fit its state
    told: str = ""  # the code of the trouble that was reported
    landed: asyncio.Event = field(default_factory=asyncio.Event)
    before: asyncio.Event | None = None  # the result of the message that this one replaced


@dataclass(slots=True, eq=False)
class _Guard:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Dispatcher:
    """Delivers intents through a transport. `run` must be running for anything to be sent."""

    def __init__(
        self,
        database: Database,
        transport: Transport,
        settlements: Mapping[ProcessKind, Settlement],
        clock: Clock,
        randomness: Randomness,
        patience: RetryPolicy | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self.patience = patience or RetryPolicy()
        self._database = database
        self._transport = transport
        self._settlements = settlements
        self._clock = clock
        self._randomness = randomness
        self._lanes: dict[str, _Lane] = {}
        self._heap: list[tuple[datetime, int, _Lane]] = []
        self._pushed = 0
        self._loaded = False  # whether everything that an earlier run left behind is known
        self._seen = clock.now()
        self._wake = asyncio.Event()
        self._queue: FairQueue[_Lane] = FairQueue(sharing or Sharing(), self.patience, randomness)
        self._guards: dict[str, _Guard] = {}

    # --- what services ask for --------------------------------------------------------------------------------

    @asynccontextmanager
    async def guard(self, pid: str) -> AsyncIterator[None]:
        """While it is held, no sending of a message of this process begins."""
        guard = self._guards.setdefault(pid, _Guard())
        guard.wanted += 1
        try:
            async with guard.lock:
                yield
        finally:
            guard.wanted -= 1
            if guard.wanted == 0:
                del self._guards[pid]

    async def commit(self, unit: Callable[[Transaction], ProcessUpdate[P]]) -> ProcessUpdate[P]:
        """Run a unit of work, and register the message that it owes. `launch` sends it.

        If the caller is cancelled meanwhile, nothing is lost: whatever was stored is still sent.
        """
        work = asyncio.ensure_future(self._committed(unit))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(self._left_behind)
            raise

    async def _committed(self, unit: Callable[[Transaction], ProcessUpdate[P]]) -> ProcessUpdate[P]:
        outcome = await self._database.write(unit)
        self.register(outcome.intent)
        return outcome

    def _left_behind(self, work: "asyncio.Future[ProcessUpdate[P]]") -> None:
        if not work.cancelled() and work.exception() is None:
            self.launch(work.result().intent)

    def standing(self, intent: Intent) -> DeliveryState:
        """What is known of a message in the outbox; one that is not registered yet is about to be sent."""
        lane = self._lanes.get(intent.id)
        return lane.standing if lane is not None and _same(lane.intent, intent) else DeliveryState.FLYING

    def settled(self, intent: Intent) -> DeliveryState:
        """As `standing`, for a caller that has waited for the answer: without one, the message may have arrived."""
        standing = self.standing(intent)
        return DeliveryState.DOUBTFUL if standing is DeliveryState.FLYING else standing

    async def landed(self, pid: str) -> None:
        """Wait for the answer to the message of this process, up to the retry policy's limit."""
        lane = self._lanes.get(pid)
        if lane is not None and lane.standing is DeliveryState.FLYING:
            await self._first(lane.landed.wait(), self._clock.sleep(self.patience.settle))

    def register(self, intent: Intent | None) -> None:
        """Register an intent that was just stored, in place of an earlier one; it is sent once it is launched."""
        if intent is None:
            return
        earlier = self._lanes.get(intent.id)
        if earlier is not None and _same(earlier.intent, intent):
            return
        fresh = instant(intent.due) <= self._clock.now()
        standing = DeliveryState.FLYING if fresh else DeliveryState.RESTING
        before = earlier.landed if earlier and earlier.attempts else None
        lane = _Lane(intent, standing, fresh=fresh, before=before)
        self._lanes[intent.id] = lane if self._loaded or earlier else _left(intent)

    def launch(self, intent: Intent | None) -> None:
        """Send a registered intent as soon as it is due; does nothing if it was answered or replaced meanwhile.

        Sending a reply takes time, so the intent may be stale when this is called: it must not displace its
        successor, which would then never be sent.
        """
        lane = None if intent is None else self._lanes.get(intent.id)
        if lane is not None and intent is not None and _same(lane.intent, intent) and not lane.launched:
            self._push(lane, instant(lane.intent.due))

    # --- the work ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver messages until cancelled, starting with everything that an earlier run left behind."""
        await self._load()
        async with asyncio.TaskGroup() as group:
            while True:
                self._look_at_the_clock()
                for lane in self._due():
                    self._queue.enter(lane.intent.audience, lane)
                for lane in self._queue.next(self._clock.now()):
                    group.create_task(self._turn(lane))
                await self._wait()

    async def _load(self) -> None:
        after: str | None = None
        while True:
            page = await self._database.read(lambda tx, after=after: tx.find(INTENTS, after=after, limit=_PAGE))  # type: ignore[misc]
            for intent in page:
                if intent.id not in self._lanes:
                    lane = self._lanes[intent.id] = _left(intent)
                    self._push(lane, instant(intent.due))
            if len(page) < _PAGE:
                self._loaded = True
                return
            after = page[-1].id

    def _push(self, lane: _Lane, due: datetime) -> None:
        lane.launched = True
        self._pushed += 1
        heapq.heappush(self._heap, (due, self._pushed, lane))
        self._wake.set()

    def _look_at_the_clock(self) -> None:
        """If the clock is set back, waits must not become longer by the difference."""
        now = self._clock.now()
        back = self._seen - now
        self._seen = now
        if back > _SET_BACK:
            self._heap = [(due - back, number, lane) for due, number, lane in self._heap]
            self._queue.set_back(back)

    def _due(self) -> list[_Lane]:
        now, lanes = self._clock.now(), []
        while self._heap and self._heap[0][0] <= now:
            lanes.append(heapq.heappop(self._heap)[2])
        return lanes

    async def _wait(self) -> None:
        # Anything launched, or any slot returned, since the last look has set the event, so it is not lost.
        if not self._wake.is_set():
            now = self._clock.now()
            following = self._heap[0][0] if self._heap else None
            times = [time for time in (following, self._queue.opens(now)) if time is not None]
            if not times:
                await self._wake.wait()
            elif (seconds := (min(times) - now).total_seconds()) > 0:
                await self._first(self._wake.wait(), self._clock.sleep(seconds))
        self._wake.clear()

    async def _first(self, *waits: object) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _turn(self, lane: _Lane) -> None:
        try:
            await self._safely(lane, self._attempt(lane))
        finally:
            lane.landed.set()
            self._queue.leave(lane.intent.audience)
            self._wake.set()

    async def _safely(self, lane: _Lane, work: Awaitable[None]) -> None:
        try:
            await work
        except StorageError as error:
            self._note(lane, error.code)
            self._again(lane, DeliveryState.DOUBTFUL)
        except Exception as error:  # noqa: BLE001 - the edge of the task: one message never stops the others
            self._stumble(lane, error)

    def _stumble(self, lane: _Lane, error: Exception) -> None:
        """After an unexpected error: retry up to the retry policy's limit, then leave the message to a restart."""
        known = isinstance(error, MedspaceError)
        self._note(lane, error.code if isinstance(error, MedspaceError) else _UNFORESEEN, trace=not known)
        if self._age(lane) > self.patience.deadline:
            lane.standing = DeliveryState.DOUBTFUL
        else:
            self._again(lane, DeliveryState.DOUBTFUL)

    def _note(self, lane: _Lane, code: str, *, trace: bool = False) -> None:
        facts = {"process": lane.intent.id, "action": lane.intent.action, "code": code, "attempts": lane.attempts}
        level = logging.ERROR if trace else logging.WARNING
        _LOGGER.log(level, "dispatch.failed", exc_info=trace, extra={"facts": facts})

    def _age(self, lane: _Lane) -> float:
        return (self._clock.now() - instant(lane.intent.created)).total_seconds()

    async def _attempt(self, lane: _Lane) -> None:
        if lane.before is not None:
            await self._first(lane.before.wait(), self._clock.sleep(self.patience.settle))
        async with self.guard(lane.intent.id):
            if self._lanes.get(lane.intent.id) is not lane:
                return
            earlier, lane.standing = lane.standing, DeliveryState.FLYING
            fresh, lane.fresh = lane.fresh, False
            lane.attempts += 1
            lane.landed.clear()
        if not fresh and not await self._wanted(lane.intent, earlier):
            await self._fail(lane, _SUPERSEDED)
        else:
            await self._settle(lane, await self._send(lane.intent))

    async def _wanted(self, intent: Intent, standing: DeliveryState) -> bool:
        # A message that may have been accepted is repeated until it is answered, even where it no longer fits.
        settlement = self._settlements[intent.kind]

        def view(tx: Transaction) -> bool:
            kept = stored(tx, intent)
            return kept is not None and (standing is DeliveryState.DOUBTFUL or settlement.due(tx, kept))

        return await self._database.read(view)

    async def _send(self, intent: Intent) -> Reply | UnreachableError:
        try:
            return await self._transport.post(intent.url, intent.message, intent.audience)
        except UnreachableError as error:
            return error

    async def _settle(self, lane: _Lane, reply: Reply | UnreachableError) -> None:
        if isinstance(reply, UnreachableError):
            await self._silence(lane, reply)
            return
        self._queue.answered(lane.intent.audience)
        failure = explained(reply, self._clock.now())
        match meaning(reply):
            case DeliveryResult.TAKEN:
                await self._acknowledge(lane, reply.body)
            case DeliveryResult.REFUSED:
                await self._refuse(lane, failure)
            case DeliveryResult.BUSY:
                await self._hold(lane, failure)
            case answer:
                standing = DeliveryState.RESTING if answer is DeliveryResult.NOT_YET else DeliveryState.DOUBTFUL
                await self._postpone(lane, standing, failure, reply.after)

    async def _silence(self, lane: _Lane, error: UnreachableError) -> None:
        standing = DeliveryState.RESTING if isinstance(error, NotSentError) else DeliveryState.DOUBTFUL
        failure = ProcessFailure(error.code, (str(error.text),), "delivery")
        late = self._queue.silent(lane.intent.audience, self._clock.now(), self._overdue)
        await self._postpone(lane, standing, failure)
        for waiting in late:  # what waits behind it for too long could not be delivered either
            await self._safely(waiting, self._postpone(waiting, waiting.standing, failure))

    def _overdue(self, lane: _Lane) -> bool:
        return self._age(lane) > self.patience.deadline and lane.intent.action != _ENDING

    async def _hold(self, lane: _Lane, failure: ProcessFailure) -> None:
        """Repeat for a while a message that does not fit the counterparty's state, as long as it fits ours."""
        now = self._clock.now()
        lane.busy = lane.busy or now
        since = (now - lane.busy).total_seconds()
        fits = await self._wanted(lane.intent, DeliveryState.RESTING)
        if since > self.patience.busy or not fits:
            await self._refuse(lane, failure)
        elif lane.doubtful and since > self.patience.quiet and await self._taken(lane.intent):
            await self._acknowledge(lane, None)
        else:
            await self._postpone(lane, DeliveryState.RESTING, failure)

    async def _acknowledge(self, lane: _Lane, reply: Json) -> None:
        settlement = self._settlements[lane.intent.kind]
        await self._close(lane, lambda tx: settlement.acknowledged(tx, lane.intent, reply))

    async def _fail(self, lane: _Lane, failure: ProcessFailure) -> None:
        settlement = self._settlements[lane.intent.kind]
        await self._close(lane, lambda tx: settlement.failed(tx, lane.intent, failure))

    async def _close(self, lane: _Lane, unit: Callable[[Transaction], Intent | None]) -> None:
        following = await self._database.write(unit)
        if self._lanes.get(lane.intent.id) is lane:
            del self._lanes[lane.intent.id]
        self.register(following)
        self.launch(following)

    async def _refuse(self, lane: _Lane, failure: ProcessFailure) -> None:
        # Other connectors refuse a repetition where the first copy was accepted and the answer was lost: their state
        # tells. Ours recognise their messages, so a refusal is final.
        if lane.attempts > 1 and failure.code != TransitionError.code and await self._taken(lane.intent):
            await self._acknowledge(lane, None)
        else:
            await self._fail(lane, failure)

    async def _taken(self, intent: Intent) -> bool:
        settlement = self._settlements[intent.kind]
        question = await self._database.read(lambda tx: settlement.question(tx, intent))
        if question is None:
            return False
        url, expected = question
        try:
            reply = await self._transport.get(url, intent.audience)
        except UnreachableError:
            return False
        return isinstance(reply.body, dict) and reply.body.get("state") == expected

    async def _postpone(
        self, lane: _Lane, standing: DeliveryState, failure: ProcessFailure, asked: float | None = None
    ) -> None:
        if self._lanes.get(lane.intent.id) is not lane:
            return
        age = self._age(lane)
        if age > self.patience.deadline and (lane.intent.action != _ENDING or age > self.patience.ending):
            await self._fail(lane, failure)
            return
        if age > self.patience.quiet and lane.told != failure.code:
            await self._tell(lane, failure)
        if age > self.patience.deadline:
            await self._linger(lane, failure)
        else:
            self._again(lane, standing, asked)

    async def _tell(self, lane: _Lane, failure: ProcessFailure) -> None:
        lane.told = failure.code
        settlement = self._settlements[lane.intent.kind]
        self._note(lane, failure.code)
        await self._database.write(lambda tx: settlement.troubled(tx, lane.intent, failure))

    async def _linger(self, lane: _Lane, failure: ProcessFailure) -> None:
        """For a process that is over here: tell the counterparty once it can be reached."""
        settlement = self._settlements[lane.intent.kind]
        await self._database.write(lambda tx: settlement.ended(tx, lane.intent, failure))
        lane.doubtful, lane.standing = True, DeliveryState.DOUBTFUL
        self._push(lane, self._clock.now() + timedelta(seconds=self.patience.rarely(self._randomness)))

    def _again(self, lane: _Lane, standing: DeliveryState, asked: float | None = None) -> None:
        # Doubt stays: the result of a repetition says nothing about the first attempt.
        lane.doubtful = lane.doubtful or standing is DeliveryState.DOUBTFUL
        lane.standing = DeliveryState.DOUBTFUL if lane.doubtful else standing
        pause = self.patience.pause(max(lane.attempts, 1), self._randomness)
        pause = max(pause, min(asked or 0.0, self.patience.asked))
        self._push(lane, self._clock.now() + timedelta(seconds=pause))


def _left(intent: Intent) -> _Lane:
    """A message that an earlier run may have sent."""
    return _Lane(intent, DeliveryState.DOUBTFUL, attempts=1, doubtful=True, fresh=False)


def _same(one: Intent, other: Intent) -> bool:
    return bool(one.message["@id"] == other.message["@id"])
