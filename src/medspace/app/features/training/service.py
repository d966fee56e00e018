"""Training runs of this connector: started, resumed after a restart, shown to people."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from medspace.adapters.logs import logger
from medspace.app.features.training.answering import contract_warnings, question_warnings
from medspace.connector.errors import UnknownAgreementError
from medspace.connector.model import AGREEMENTS, Agreement
from medspace.connector.ports import FactsOf
from medspace.connector.usage.rules import Case, request_for
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.errors import DuplicateRecordError, MedspaceError, StaleRecordError, StorageError
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.learning.model import KIND
from medspace.policy import odrl
from medspace.policy.budgets import EXACT, NOISY
from medspace.policy.limits import limits, protection
from medspace.policy.model import UseRequest
from medspace.policy.points import Point
from medspace.runs import codings, rules
from medspace.runs.errors import SiteError, TaskInvalidError
from medspace.runs.model import Run, Seat
from medspace.runs.ports import Algorithm, Completing, Forecast, Forecasting, Need
from medspace.runs.service import Coordinator

PAUSE = 1.0  # seconds before a run continues after the database failed; doubled up to a maximum
LONGEST_PAUSE = 60.0


class Training:
    """Has one asyncio task for each unfinished run."""

    def __init__(self, did: str, coordinator: Coordinator, database: Database, facts: FactsOf, clock: Clock) -> None:
        self._did = did
        self._facts = facts
        self._clock = clock
        self._coordinator = coordinator
        self._database = database
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._log = logger(participant=did)

    async def begin(
        self,
        task: JsonObject,
        agreements: Sequence[str],
        *,
        without_missing: bool = False,
        patience: float = 0.0,
        coordinator: str = "",
        by: str = NOBODY,
    ) -> Run:
        """Start a run under these agreements; see `runs.model.Run` for the other arguments.

        Raises:
            UnknownAgreementError: one of them is not ours as consumer.
            TaskInvalidError: the task cannot be run.
        """
        if coordinator and await self._database.read(lambda tx: self._facts(tx, coordinator).operator) is None:
            raise TaskInvalidError(reason=Text(msgid("its coordinator is no member of the space")))
        seats = await self._seats(agreements)
        algorithm = self._coordinator.algorithm(task)
        lacking = isinstance(algorithm, Completing) and algorithm.lacks(task)
        published = await self._published(seats) if lacking else {}
        run = await self._coordinator.create(
            _completed(algorithm, task, seats, published),
            seats,
            without_missing=without_missing,
            patience=patience,
            coordinator="" if coordinator == self._did else coordinator,
            by=by,
        )
        self.lead(run.id)
        return run

    async def forecast(self, task: JsonObject, agreements: Sequence[str]) -> tuple[JsonObject, Forecast]:
        """What a run under these agreements would cost and find, and the completed task; no site is asked.

        Raises:
            UnknownAgreementError: one of them is not ours as consumer.
            TaskInvalidError: the task cannot be run, or two agreements are with one site.
            TooFewAskedError: it asks fewer sites than the task, an agreement or masks need.
            CodingDiffersError: it does not fit what a site publishes.
        """
        seats = await self._seats(agreements)
        algorithm = self._coordinator.algorithm(task)
        answers = await self._dictionaries(seats)
        published = _readable(answers)
        whole = rules.protected(algorithm, _completed(algorithm, task, seats, published), seats)
        run, _ = self._coordinator.drawn(whole, seats)
        procedure = algorithm.prepare(whole)
        rules.check_attendance(procedure.demands, run)
        found = _expected(algorithm, whole, len(seats))
        remarks = (*_unseen(answers), *_check_fit(procedure.needs, published))
        warned = await self._database.read(lambda tx: tuple(self._warnings(tx, run, found.facts)))
        return run.task, replace(found, sentences=(*remarks, *found.sentences, *warned))

    def _warnings(self, tx: Transaction, run: Run, facts: JsonObject) -> Iterator[Text]:
        """What stands in the way at the contracts, and at the questions that a hospital answers."""
        exact = facts.get("epsilon") is None
        for seat in run.seats:
            yield from contract_warnings(tx, seat, self._asking(tx, run, seat, exact=exact))
        yield from question_warnings(facts.get("questions"), exact=exact)

    def _asking(self, tx: Transaction, run: Run, seat: Seat, *, exact: bool) -> UseRequest:
        """The use of a task as the site of this seat will decide it, as far as that is known here.

        How many sites take part is looked at for all of them together (`rules.check_attendance`).
        """
        case = Case(
            user=self._facts(tx, self._did),
            now=self._clock.now(),
            used=0,
            protection=run.protection,
            holders=tuple(other.site for other in run.seats if other.site != seat.site),
            noise=EXACT if exact else NOISY,
        )
        return replace(request_for(KIND, seat.site, case, run.task), sites=None, count=None, target=None)

    async def surveyed(self, agreements: Sequence[str]) -> tuple[list[Seat], dict[str, JsonObject]]:
        """The seats of these agreements, and what their sites publish, by site.

        Raises:
            UnknownAgreementError: one of them is not ours as consumer.
        """
        seats = await self._seats(agreements)
        return seats, await self._published(seats)

    async def _published(self, seats: Sequence[Seat]) -> dict[str, JsonObject]:
        """The dictionaries that available sites publish, by site."""
        return _readable(await self._dictionaries(seats))

    async def _dictionaries(self, seats: Sequence[Seat]) -> dict[str, JsonObject | SiteError | None]:
        """What each site publishes of its columns, or why it does not show it; None where it publishes nothing."""
        dictionaries = self._coordinator.dictionaries
        if dictionaries is None:
            return {}
        found = await asyncio.gather(
            *(dictionaries.dictionary(seat.agreement) for seat in seats), return_exceptions=True
        )
        answers: dict[str, JsonObject | SiteError | None] = {}
        for seat, one in zip(seats, found, strict=True):
            if isinstance(one, BaseException) and not isinstance(one, SiteError):
                raise one
            answers[seat.site] = one
        return answers

    async def _seats(self, agreements: Sequence[str]) -> list[Seat]:
        return await self._database.read(lambda tx: [self._seat(tx, agreement) for agreement in agreements])

    async def resume(self) -> None:
        """Continue every unfinished run."""
        for run in await self._coordinator.unsettled():
            self.lead(run.id)

    async def stop(self) -> None:
        """Stop leading the runs; `resume` continues them."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def lead(self, run: str) -> None:
        """Lead a run, unless that is happening already."""
        if run in self._tasks:
            return
        task = asyncio.create_task(self._resume(run))
        self._tasks[run] = task
        task.add_done_callback(lambda _: self._tasks.pop(run, None))

    async def _resume(self, run: str) -> None:
        pause = PAUSE
        while not await self._ended(run):
            await self._clock.sleep(pause)
            pause = min(pause * 2.0, LONGEST_PAUSE)

    async def _ended(self, run: str) -> bool:
        """Lead a run as far as possible.

        False if the database failed, in which case it continues from what was stored.
        """
        try:
            ended = await self._coordinator.resume(run)
        except (
            StaleRecordError,
            DuplicateRecordError,
        ) as error:  # another coordinator leads it: leave it alone
            self._log.warning("run.left", run=run, code=error.code, reason=str(error.text))
        except StorageError as error:
            self._log.warning("run.stalled", run=run, code=error.code, reason=str(error.text))
            return False
        except MedspaceError as error:
            self._log.error("run.stopped", run=run, code=error.code, reason=str(error.text))
        else:
            self._log.info("run.ended", run=run, state=ended.state.value, rounds=ended.round)
        return True

    def _seat(self, tx: Transaction, agreement_id: str) -> Seat:
        agreement = tx.get(AGREEMENTS, agreement_id)
        if agreement is None or agreement.consumer != self._did:
            raise UnknownAgreementError(agreement=agreement_id)
        own = self._facts(tx, self._did)
        request = UseRequest(
            action=KIND,
            assignee=agreement.consumer,
            region=own.region,
            roles=own.roles,
            time=self._clock.now(),
            target=agreement.dataset,
        )
        return _seat(agreement, request)


def _seat(agreement: Agreement, request: UseRequest) -> Seat:
    """The seat with the limits of the agreement; by default one person and one site."""
    policy = odrl.parse(agreement.policy)
    allowed = limits(policy, request, Point.NEGOTIATION)
    if allowed is None:  # the site itself will report why not
        return Seat(agreement.provider, agreement.id, protection=protection(policy))
    return Seat(
        agreement.provider,
        agreement.id,
        max(allowed.min_cohort, 1),
        max(allowed.min_sites, 1),
        allowed.colluders,
        allowed.protection,
    )


def _expected(algorithm: Algorithm, task: JsonObject, sites: int) -> Forecast:
    """What the kind of task can say of it."""
    if isinstance(algorithm, Forecasting):
        return algorithm.forecast(task, sites)
    return Forecast({}, (Text(msgid("Nobody can say what to expect of a task of this kind.")),))


def _readable(answers: Mapping[str, JsonObject | SiteError | None]) -> dict[str, JsonObject]:
    """The dictionaries among what sites publish, by site."""
    return {site: one for site, one in answers.items() if isinstance(one, dict)}


def _unseen(answers: Mapping[str, JsonObject | SiteError | None]) -> Iterator[Text]:
    """At which sites nobody knows whether the task fits, and why."""
    for site, one in answers.items():
        if isinstance(one, SiteError):
            told = msgid("Warning: whether the task fits the data at {site} is not known. {reason}")
            yield Text(told, {"site": site, "reason": one.text})
        elif one is None:
            told = msgid("Warning: {site} publishes no columns; whether the task fits its data is not known.")
            yield Text(told, {"site": site})


def _completed(
    algorithm: Algorithm, task: JsonObject, seats: Sequence[Seat], published: Mapping[str, JsonObject]
) -> JsonObject:
    """The task completed from what all sites publish, where it leaves something open.

    Unavailable sites are skipped.
    """
    if not isinstance(algorithm, Completing) or not algorithm.lacks(task):
        return task
    spans = [codings.spans(codings.read(site, one)) for site, one in published.items()]
    return algorithm.completed(task, [*spans, *({} for _ in range(len(seats) - len(published)))])


def _check_fit(needs: Sequence[Need], published: Mapping[str, JsonObject]) -> tuple[Text, ...]:
    """Refuse a task that does not fit what the available sites publish; returns possible differences."""
    columns = {site: codings.check(site, needs, one) for site, one in published.items()}
    for error in codings.compare(needs, columns).values():
        raise error
    return codings.remarks(needs, columns)
