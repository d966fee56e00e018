"""The coordinator: leads a run from its first round to a model, and goes on where it stopped after any kill.

Whose run it is makes no difference to how it is led: one that another member handed over (`coordinating`) is asked at
the places that came with it, and one that is handed over from here (`delegation`) is led elsewhere and followed.

After each round, where its sums lead is stored with its ledger entry, in one transaction; the answers themselves
are not kept. What was asked but not stored is asked again: sites give the same answer to the same step, answers are
summed in the order of the sites, so the model is the same to the last bit, however often the run was interrupted.

A model is the fit of exactly the sites that it names. What a round asks, how answers are read and added up, and what
happens when a site drops out is the task's `ports.Procedure`; nothing here knows what is learned.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from medspace.core import limits
from medspace.core.actors import NOBODY
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.engine import MASKED
from medspace.core.errors import InvalidInputError, StaleRecordError
from medspace.core.hashing import digest
from medspace.core.ids import new_id
from medspace.core.paging import each
from medspace.core.parts import BlobStore
from medspace.core.signing import Signer
from medspace.core.store import Database, Transaction
from medspace.core.text import Text, msgid
from medspace.core.usage import Step
from medspace.ledger.kinds import ENTRY_KINDS
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy.carried import strictest
from medspace.runs import lineage, noting, rules
from medspace.runs import manifest as manifests
from medspace.runs.asking import Asking, Patience
from medspace.runs.delegation import Delegation
from medspace.runs.errors import (
    AnswersInvalidError,
    CoordinatorRefusedError,
    RunCancelledError,
    RunError,
    RunUnknownError,
    SiteError,
    TaskInvalidError,
)
from medspace.runs.model import (
    CHECKPOINTS,
    MODELS,
    ROUNDS,
    RUNS,
    Fault,
    Model,
    Round,
    Run,
    RunCheckpoint,
    RunFailure,
    RunState,
    Seat,
)
from medspace.runs.parts import Placed, RunParts, seconds
from medspace.runs.ports import (
    Algorithm,
    Answer,
    Describing,
    Dictionaries,
    LedSites,
    ModelDescription,
    Numbering,
    Parted,
    Procedure,
    Question,
    Result,
    Sites,
)
from medspace.runs.progress import ReportedProgress, RunEvent, unheard
from medspace.runs.surveying import survey
from medspace.runs.tallying import RoundQuestions, Tallying

T = TypeVar("T")
LONGEST = limits.ROUNDS  # rounds read at once
DOORS = 64  # uses begun or ended at a time: small messages, so more than `width`
NO_MAIL: Mapping[str, Mapping[str, str]] = {}
SETTLING = 10.0  # seconds; how long the end of a run is held up by a site that is away


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Leads runs. `actor` is the DID that the ledger entries name, and `signer` has its key.

    `width` is how many sites are asked at a time.

    `algorithms` are the kinds of task that it can lead; a task that names none of them goes to the first, which
    refuses what it does not know. With `dictionaries` a task is checked against what every site publishes first.
    `blobs` keeps the parts of runs; without it, no run has any.

    `led` is where the sites of runs are asked that others handed over; `delegation` hands over those that name
    another coordinator. Without them there are no such runs.

    `noted` says what the log may hold of a code that another member answered with.
    """

    database: Database
    sites: Sites
    clock: Clock
    randomness: Randomness
    actor: str
    signer: Signer
    algorithms: Sequence[Algorithm]
    dictionaries: Dictionaries | None = None
    patience: Patience = field(default_factory=Patience)
    width: int = 8
    progress: Callable[[RunEvent], None] = unheard
    blobs: BlobStore | None = None
    led: LedSites | None = None
    delegation: Delegation | None = None
    noted: noting.Noted = field(kw_only=True)

    async def create(
        self,
        task: JsonObject,
        seats: Sequence[Seat],
        *,
        without_missing: bool = False,
        patience: float = 0.0,
        coordinator: str = "",
        by: str = NOBODY,
    ) -> Run:
        """Store a new run, which `by` asks for; nothing is asked yet. The three before are those of its record.

        Raises:
            TaskInvalidError: the task cannot be run, or the seats are not distinct sites.
        """
        task = rules.protected(self.algorithm(task), task, seats)
        run, begun = self.drawn(task, seats, without_missing=without_missing, patience=patience)
        procedure = self.algorithm(task).prepare(task)
        if coordinator and isinstance(procedure, Parted) and procedure.kept(begun.state):
            raise TaskInvalidError(reason=Text(msgid("its large parts cannot be sent through another member yet")))
        run = replace(run, coordinator=coordinator, asked_by=by)
        if ENTRY_KINDS[noting.start_kind(run)].flaw(noting.start_facts(run)) is not None:
            raise TaskInvalidError(
                reason=Text(msgid("a site is not a valid DID, or its agreement is not a valid identifier"))
            )

        def work(tx: Transaction) -> None:
            tx.insert(RUNS, run)
            tx.insert(CHECKPOINTS, begun)

        await self.database.write(work)
        return run

    def drawn(
        self, task: JsonObject, seats: Sequence[Seat], *, without_missing: bool = False, patience: float = 0.0
    ) -> tuple[Run, RunCheckpoint]:
        """A run as it would begin; nothing is stored.

        Raises:
            TaskInvalidError: the task cannot be run, or the seats are not distinct sites.
        """
        algorithm = self.algorithm(task)
        procedure = algorithm.prepare(task)
        if len({seat.site for seat in seats}) < len(seats):
            raise TaskInvalidError(reason=Text(msgid("a site is named twice")))
        run = Run(
            id=new_id(self.randomness),
            state=RunState.CREATED,
            created=stamp(self.clock.now()),
            task=procedure.document,
            task_digest=digest(procedure.document),
            kind=algorithm.kind,
            seats=tuple(seats),
            protection=procedure.demands.protection,
            without_missing=without_missing,
            patience=patience,
        )
        return run, RunCheckpoint(run.id, 0, procedure.first())

    async def train(self, task: JsonObject, seats: Sequence[Seat], *, without_missing: bool = False) -> Run:
        """Create a run and lead it to its end."""
        return await self.resume((await self.create(task, seats, without_missing=without_missing)).id)

    async def resume(self, run_id: str) -> Run:
        """Lead a run to its end from wherever it stands; a run that is over is only tidied up.

        Returns the run as it ended: finished, failed (with `failure`) or cancelled.

        Raises:
            RunUnknownError: there is no such run.
            StaleRecordError: another coordinator leads this run.
        """
        run = await self.run(run_id)
        uses: dict[str, str] = {}
        if not rules.over(run.state):
            try:
                run = await self._lead(run, uses)
            except RunError as error:
                run = await self._fail(run_id, error)
            except StaleRecordError:
                run = await self.run(run_id)
                if run.state is not RunState.CANCELLED:
                    raise
        return await self._settle(run, uses)

    async def cancel(self, run_id: str, *, by: str = NOBODY) -> Run:
        """End a run that is not over; a coordinator that leads it stops at its next round."""
        cancelled = RunCancelledError()
        return await self._end(run_id, lambda run: rules.failure(cancelled, run.faults), RunState.CANCELLED, by)

    async def unsettled(self) -> list[Run]:
        """The runs that are to be resumed after a restart."""
        return await self.database.read(lambda tx: list(each(tx, RUNS, {"settled": "no"})))

    async def run(self, run_id: str) -> Run:
        """The run as it stands.

        Raises:
            RunUnknownError: there is no such run.
        """
        return await self.database.read(lambda tx: _known(tx, run_id))

    async def model(self, run_id: str) -> Model | None:
        """The model that came of a run; None where none did (yet)."""
        run = await self.run(run_id)
        return None if run.model is None else await self.database.read(lambda tx: tx.get(MODELS, run.model or ""))

    def describe(self, model: Model, names: Mapping[str, str]) -> ModelDescription | None:
        """What a model is, as its kind of task says; None where that says nothing. `names`: of sites, by DID."""
        try:
            procedure = self.algorithm(model.task).prepare(model.task)
        except TaskInvalidError:  # of a kind that is not led here (any more)
            return None
        result = Result(model.result, model.rows, model.lineage.sites)
        return procedure.describe(result, names) if isinstance(procedure, Describing) else None

    async def rounds(self, run_id: str) -> list[Round]:
        """The rounds of a run so far."""
        return await self.database.read(lambda tx: _rounds(tx, run_id))

    # --- one run ---------------------------------------------------------------------------------------------

    async def _lead(self, run: Run, uses: dict[str, str]) -> Run:
        procedure = self.algorithm(run.task).prepare(run.task)
        if run.state is RunState.CREATED:
            run = await self._start(run)
        saved = await self._checkpoint(run)
        own = not run.user and not run.handed  # what others hand over they have looked at
        if self.dictionaries is not None and run.round == 0 and own:
            run, saved = await self._survey(self.dictionaries, procedure, run, saved)
        if run.coordinator:
            return await self._delegate(procedure, run, saved, uses)
        run, saved = await self._begin(procedure, run, saved, uses)
        run, saved = await self._sit(procedure, run, saved, uses)
        while True:
            placed = await self._place(procedure, run, saved)
            number, state = run.round + 1, saved.state
            questions = await placed.do(lambda: placed.procedure.questions(state, number))  # noqa: B023 - waited for
            if questions is None:
                return await self._finish(placed, run, saved.state)
            run, saved = await self._round(placed, RoundQuestions(questions, rules.seated(run)), run, saved, uses)

    async def _place(self, procedure: Procedure, run: Run, saved: RunCheckpoint) -> Placed:
        """The procedure as it works in the next round, with the parts that its state names."""
        if isinstance(procedure, Parted):
            await self._parts(run).carry(procedure.kept(saved.state), run.id, run.round + 1)
        return await self._parts(run).place(procedure, run.id, run.round + 1)

    async def _start(self, run: Run) -> Run:
        started = replace(rules.moved(run, RunState.RUNNING), started=stamp(self.clock.now()))

        def work(tx: Transaction) -> None:
            tx.replace(RUNS, run, started)
            record(tx, self._entry(noting.start_kind(run), noting.start_facts(run)))

        await self.database.write(work)
        self.progress(RunEvent("started", run.id, of=len(run.seats)))
        return started

    async def _delegate(self, procedure: Procedure, run: Run, saved: RunCheckpoint, uses: dict[str, str]) -> Run:
        """Begin the uses, hand the run over, and follow it until it is over."""
        if self.delegation is None:
            reason = Text(msgid("this connector does not hand over runs"))
            raise CoordinatorRefusedError(coordinator=run.coordinator, reason=reason)
        if not run.handed:
            run, saved = await self._begin(procedure, run, saved, uses)
            run = await self._manifest(procedure, run)
            run = await self.delegation.hand_over(run, uses, self._asking(procedure, run, "hand-over"))
        run, failure = await self.delegation.follow(run, self._asking(procedure, run, "follow"), self._noticed)
        if run.state is RunState.FINISHED:
            self.progress(RunEvent("finished", run.id, run.round))
        return run if failure is None else await self._end(run.id, lambda _: failure, RunState.FAILED)

    def _noticed(self, before: Run, after: Run) -> None:
        """Say what a coordinator elsewhere has told."""
        for fault in after.faults[len(before.faults) :]:
            self.progress(RunEvent("excluded", after.id, fault.round, site=fault.site))
        if after.round > before.round:
            self.progress(RunEvent("round", after.id, after.round))

    async def _begin(
        self, procedure: Procedure, run: Run, saved: RunCheckpoint, uses: dict[str, str]
    ) -> tuple[Run, RunCheckpoint]:
        """Find or start a use at every site that is in."""
        seats, asked = rules.seated(run), self._sites(run)
        faults: list[Fault] = []

        def take(position: int, begun: str | SiteError) -> None:
            if isinstance(begun, SiteError):
                faults.append(rules.fault(seats[position], run.round, begun))
            else:
                uses[seats[position].site] = begun

        calls = [(seat.site, lambda s=seat: asked.begin(run.id, s.agreement, run.kind)) for seat in seats]
        await self._asking(procedure, run, "begin").in_order(calls, take, DOORS)
        return await self._attended(procedure, run, saved, faults)

    async def _sit(
        self, procedure: Procedure, run: Run, saved: RunCheckpoint, uses: dict[str, str]
    ) -> tuple[Run, RunCheckpoint]:
        """Show every site the manifest, gather the keys that they add, and hand all of them to each."""
        asked = self._sites(run)
        while True:
            run = await self._manifest(procedure, run)
            keys, faults = await self._each(procedure, run, lambda use: asked.seat(use, run.manifest), uses)  # noqa: B023
            if not faults:
                _, faults = await self._each(procedure, run, lambda use: asked.seated(use, keys), uses)  # noqa: B023
            run, saved = await self._attended(procedure, run, saved, faults)
            if run.user and run.faults and not run.round:  # only its user could sign another manifest
                rules.check_attendance(replace(procedure.demands, site_faults="fail"), run)
            if not faults and not run.round:  # as the seats say with their keys
                label = strictest(manifests.carried(keys))
                keyed = replace(run, leaving=manifests.leaving(keys), carried=label)
                run, saved = await self._keep(run, keyed, saved, saved.state, None)
            if not faults or run.round:  # those that are left have one another's keys already
                return run, saved

    async def _each(
        self, procedure: Procedure, run: Run, call: Callable[[str], Awaitable[T]], uses: Mapping[str, str]
    ) -> tuple[list[T], list[Fault]]:
        """What every site that is in says, by its use; and the faults of those that do not."""
        seats, found, faults = rules.seated(run), list[T](), list[Fault]()

        def take(position: int, outcome: T | SiteError) -> None:
            if isinstance(outcome, SiteError):
                faults.append(rules.fault(seats[position], run.round, outcome))
            else:
                found.append(outcome)

        calls = [(seat.site, lambda s=seat: call(uses[s.site])) for seat in seats]
        await self._asking(procedure, run, "seat").in_order(calls, take, DOORS)
        return found, faults

    async def _manifest(self, procedure: Procedure, run: Run) -> Run:
        """The run with its manifest: a new one as long as nothing was asked and a seat was lost."""
        seats = rules.seated(run)
        if run.manifest and (
            run.user
            or run.handed
            or run.round
            or set(manifests.kept(run.manifest).sites) == {seat.site for seat in seats}
        ):
            return run
        least, parties = rules.promised(procedure.demands, seats), (self.actor, run.coordinator or self.actor)
        colluders = max(seat.colluders for seat in seats) if run.protection in MASKED else None
        drawn = manifests.draw(
            run.id, parties, run.task_digest, seats, run.protection, least, self.randomness, colluders
        )
        signed = replace(run, manifest=manifests.sign(drawn, self.signer))
        await self.database.write(lambda tx: tx.replace(RUNS, run, signed))
        return signed

    async def _survey(
        self, dictionaries: Dictionaries, procedure: Procedure, run: Run, saved: RunCheckpoint
    ) -> tuple[Run, RunCheckpoint]:
        """Whether the sites are there, and whether the task fits what each publishes: before anything is asked."""
        surveyed = await survey(dictionaries, procedure.needs, run, self._asking(procedure, run, "survey"))
        run, saved = await self._attended(procedure, run, saved, surveyed.faults)
        if surveyed.remarks != run.remarks:
            run, saved = await self._keep(run, replace(run, remarks=surveyed.remarks), saved, saved.state, None)
        return run, saved

    async def _attended(
        self, procedure: Procedure, run: Run, saved: RunCheckpoint, faults: Sequence[Fault]
    ) -> tuple[Run, RunCheckpoint]:
        """Keep who is missing, and go on if that is allowed."""
        if faults:
            after = rules.lost(run, faults)
            run, saved = await self._keep(run, after, saved, procedure.without(saved.state), None)
        rules.check_attendance(rules.allowed(procedure.demands, run), run)
        return run, saved

    async def _round(
        self, placed: Placed, asked: RoundQuestions, run: Run, saved: RunCheckpoint, uses: dict[str, str]
    ) -> tuple[Run, RunCheckpoint]:
        """Ask one round, gather the answers, store where that leads."""
        procedure = placed.procedure
        number, demands = run.round + 1, rules.allowed(procedure.demands, run)
        seats, name = asked.seats, asked.step
        gathering = procedure.gathering(saved.state, number)
        tallying = Tallying(demands, number, asked, gathering, uses, rules.writing(run, saved.mail))

        async def take(position: int, answer: Answer | SiteError) -> None:
            seat = seats[position]
            if await placed.do(lambda: tallying.take(seat, answer)):
                self.progress(RunEvent("answered", run.id, number, name, seat.site, position + 1, len(seats)))

        await self._ask(placed, run, saved, asked, take, uses)
        after = rules.lost(replace(run, round=number, asked=_rounds_asked(procedure, saved)), tallying.faults)
        failed: RunError | None = None
        state = saved.state
        try:
            rules.check_attendance(demands, after)
            state = await placed.do(lambda: gathering.state(lost=bool(tallying.faults)))
        except RunError as error:  # the round is on record all the same: its answers have left the sites
            failed = error
        except InvalidInputError as error:
            failed = AnswersInvalidError(round=number, reason=error.text)
        past = Round(
            id=f"{run.id}/{number:04d}",
            run=run.id,
            round=number,
            step=name,
            question=asked.digest,
            answers=tuple(tallying.answers),
            rows=tallying.rows,
            objective=procedure.objective(state),
            time=stamp(self.clock.now()),
            parts=asked.parts,
        )
        mail = rules.undelivered(saved.mail, [seat.site for seat in seats], tallying.mail)
        run, saved = await self._keep(run, after, saved, state, past, mail)
        if failed:
            raise failed
        return run, saved

    async def _ask(
        self,
        placed: Placed,
        run: Run,
        saved: RunCheckpoint,
        asked: RoundQuestions,
        take: Callable[[int, Answer | SiteError], Awaitable[None]],
        uses: Mapping[str, str],
    ) -> None:
        """Put the questions of a round, each to its seat, with what they and their answers carry."""

        def ask(site: str) -> Awaitable[Answer]:
            question = asked.of(site)
            step = _step(run, run.round + 1, question, saved.mail.get(site, {}))
            return self._parts(run).ask(placed, uses[site], step, question)

        more = max((seconds(asked.of(seat.site)) for seat in asked.seats), default=0.0)
        calls = [(seat.site, lambda s=seat: ask(s.site)) for seat in asked.seats]
        await self._asking(placed.procedure, run, asked.step, more).in_order(calls, take, self.width)

    async def _keep(
        self,
        before: Run,
        after: Run,
        saved: RunCheckpoint,
        state: JsonObject,
        past: Round | None,
        mail: Mapping[str, Mapping[str, str]] = NO_MAIL,
    ) -> tuple[Run, RunCheckpoint]:
        reached = RunCheckpoint(saved.id, after.round, state, mail)

        def work(tx: Transaction) -> None:
            if after != before:
                tx.replace(RUNS, before, after)
            tx.replace(CHECKPOINTS, saved, reached)
            if past is not None:
                tx.insert(ROUNDS, past)
                record(tx, self._entry("run.round", noting.round_facts(past, after.manifest)))

        await self.database.write(work)
        for fault in after.faults[len(before.faults) :]:
            self.progress(RunEvent("excluded", after.id, fault.round, site=fault.site))
        if past is not None:
            self.progress(RunEvent("round", after.id, past.round, past.step, objective=past.objective))
        return after, reached

    async def _finish(self, placed: Placed, run: Run, state: JsonObject) -> Run:
        now = self.clock.now()
        model_id = new_id(self.randomness)
        result = await placed.do(lambda: placed.procedure.result(state))
        ended = replace(rules.moved(run, RunState.FINISHED), model=model_id, ended=stamp(now))

        def work(tx: Transaction) -> None:
            model = lineage.build(run, result, _rounds(tx, run.id), model_id, now)
            tx.replace(RUNS, run, ended)
            tx.insert(MODELS, model)
            record(tx, self._entry("run.finished", noting.finish_facts(run, model, self.noted)))

        await self.database.write(work)
        self.progress(RunEvent("finished", run.id, run.round))
        return ended

    async def _fail(self, run_id: str, error: RunError) -> Run:
        return await self._end(run_id, lambda run: rules.failure(error, run.faults), RunState.FAILED)

    async def _end(self, run_id: str, failed: Callable[[Run], RunFailure], state: RunState, by: str = NOBODY) -> Run:
        """End a run from where it stands now, as its leader may have moved it on; what is over stays."""

        def work(tx: Transaction) -> tuple[Run, bool]:
            run = _known(tx, run_id)
            if rules.over(run.state):
                return run, False
            failure = failed(run)
            ended = rules.ended(run, state, failure, stamp(self.clock.now()), by)
            tx.replace(RUNS, run, ended)
            record(tx, self._entry("run.failed", noting.failure_facts(ended, failure.code, self.noted)))
            return ended, True

        ended, now = await self.database.write(work)
        if now:
            self.progress(RunEvent(state.value, ended.id, ended.round))
        return ended

    async def _settle(self, run: Run, uses: dict[str, str]) -> Run:
        """End the uses of a run that is over. A site that is away finds out when its agreement or use expires."""
        if run.settled == "yes" or not rules.over(run.state):
            return run
        if not run.user:
            await self._end_uses(run, uses)
        elif self.led is not None:  # they are its user's to end
            await self.led.forget(run.id)
        await self._parts(run).drop(run.id)
        settled = replace(run, settled="yes")
        await self.database.write(lambda tx: tx.replace(RUNS, run, settled))
        return settled

    async def _end_uses(self, run: Run, uses: dict[str, str]) -> None:
        if not uses and run.started is not None:
            await self._find_uses(run, uses)
        calls = [(site, lambda u=use: self.sites.end(u)) for site, use in uses.items()]
        patience = replace(self.patience, deadline=min(self.patience.deadline, SETTLING))
        asking = Asking(self.clock, patience, ReportedProgress(self.progress, run, "end"))
        if self.delegation is not None and run.handed and run.state is not RunState.FINISHED:
            await self.delegation.cancel(run, asking)
        await asking.in_order(calls, lambda _position, _outcome: None, DOORS)

    async def _find_uses(self, run: Run, uses: dict[str, str]) -> None:
        if run.coordinator and self.delegation is not None:
            uses.update(await self.delegation.begun(run))
        rounds = await self.rounds(run.id)
        uses.update({answer.site: answer.use for past in rounds for answer in past.answers})

    # --- small things ----------------------------------------------------------------------------------------

    def _sites(self, run: Run) -> Sites:
        return self.sites if not run.user or self.led is None else self.led

    def algorithm(self, task: JsonObject) -> Algorithm:
        """What leads tasks of this kind."""
        named = [algorithm for algorithm in self.algorithms if algorithm.name == task.get("task")]
        return (*named, *self.algorithms)[0]

    def _parts(self, run: Run) -> RunParts:
        return RunParts(self._sites(run), self.actor, self.blobs)

    def _asking(self, procedure: Procedure, run: Run, step: str, more: float = 0.0) -> Asking:
        patience = replace(self.patience, deadline=(run.patience or self.patience.deadline) + more)
        ends = rules.allowed(procedure.demands, run).site_faults == "fail"
        return Asking(self.clock, patience, ReportedProgress(self.progress, run, step), refusal_ends=ends)

    def _entry(self, kind: str, facts: dict[str, Json]) -> Entry:
        return Entry(kind, stamp(self.clock.now()), self.actor, facts)

    async def _checkpoint(self, run: Run) -> RunCheckpoint:
        saved = await self.database.read(lambda tx: tx.get(CHECKPOINTS, run.id))
        if saved is None:
            raise RunUnknownError(run=run.id)
        return saved


def _rounds_asked(procedure: Procedure, saved: RunCheckpoint) -> int:
    """Which question of the task a round belongs to; 0 where each round is one."""
    return procedure.number(saved.state) if isinstance(procedure, Numbering) else 0


def _known(tx: Transaction, run_id: str) -> Run:
    run = tx.get(RUNS, run_id)
    if run is None:
        raise RunUnknownError(run=run_id)
    return run


def _rounds(tx: Transaction, run_id: str) -> list[Round]:
    return tx.find(ROUNDS, where={"run": run_id}, order_by="round", limit=LONGEST)


def _step(run: Run, number: int, question: Question, inbox: Mapping[str, str]) -> Step:
    return Step(run.task, number, question.step, question.inputs, question.parts, inbox)
