"""The coordinator's connection to the sites (port `runs.ports.Sites`): a step is a call to the job of a use.

A use of one's own run is a transfer; a use of a run that was handed over comes with its address.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError, JobBusyError, JobRefusedError
from medspace.adapters.http.peers import JobClient, PendingStep
from medspace.app.features.training.waiting import Waiting
from medspace.app.node.changes import Changes
from medspace.connector.catalogue.finding import AwayError, Finder, listed
from medspace.connector.errors import UnknownAgreementError, UnknownDatasetError, UnreachableError
from medspace.connector.model import AGREEMENTS, TRANSFERS, Transfer, TransferState
from medspace.connector.transfer.service import Transfers
from medspace.connector.usage.errors import StepUnknownError
from medspace.connector.usage.naming import digests_of
from medspace.connector.usage.seats import SiteIdentity
from medspace.connector.usage.strategy import JOB_ENDPOINT
from medspace.core.actors import NOBODY
from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import Clock, Randomness
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.parts import Blobs, BlobStore, Keeping, Part
from medspace.core.store import Database
from medspace.core.text import Text, msgid, plain
from medspace.core.usage import Step, release_digest
from medspace.runs import manifest as manifests
from medspace.runs import statements
from medspace.runs.coordinating import Handovers
from medspace.runs.covers import Cover
from medspace.runs.errors import SiteAwayError, SiteRefusedError
from medspace.runs.handover import SeatEndpoint
from medspace.runs.keeping import use_of
from medspace.runs.model import RUNS
from medspace.runs.ports import Answer
from medspace.runs.statements import QuestionStatement
from medspace.trust.did import base_url
from medspace.trust.errors import MldsaKeyUnknownError, UnauthenticatedError
from medspace.trust.model import Member
from medspace.trust.ports import Documents

T = TypeVar("T")
START_WAIT = 8.0  # seconds for a transfer to start; then the coordinator's own patience decides
SEAT_WAIT = 30.0  # seconds for a site's answer to a manifest
STEP_WAIT = 120.0  # seconds for one answer: a site that needs longer says so
HOUR = timedelta(hours=1)
STEP_LIMIT = 24 * HOUR  # for all answers about one step; before that, the coordinator's own patience decides
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds between two answers about one step
CATALOGUE_WAIT = 5.0  # seconds for what a site publishes: an unavailable site is to be reported soon
UNAUTHENTICATED = 401
LONGEST_REASON = 1000  # characters of another party's words
_OVER = (TransferState.COMPLETED, TransferState.TERMINATED)


class _Answered(msgspec.Struct, frozen=True):
    release: str
    round: int
    kind: str
    cohort: int
    values: dict[str, Json]
    digest: str
    parts: tuple[Part, ...] = ()
    outbox: dict[str, str] = {}
    signature: str = ""


class _SeatKey(msgspec.Struct, frozen=True):
    key: str


@dataclass(frozen=True, slots=True)
class JobSites:
    """Asks the sites at the addresses of their uses."""

    jobs: JobClient
    clock: Clock
    waiting: Waiting
    did: str
    identity: SiteIdentity
    randomness: Randomness
    _runs: dict[str, str] = field(default_factory=dict)  # whose uses are being asked, by use
    _covers: dict[str, Cover] = field(default_factory=dict, repr=False)  # by use: all is signed, and sealed

    async def place(self, use: str) -> SeatEndpoint:
        """The address of a use.

        Raises:
            SiteRefusedError: it is unknown.
        """
        raise SiteRefusedError(site=use, reason=Text(msgid("the use was never started")))

    async def seat(self, use: str, manifest: str) -> str:
        """The site's signed key, once it has taken its seat under the manifest.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`.
        """
        body = await self._called(use, lambda url, token, site: self.jobs.seat(url, token, manifest, site, SEAT_WAIT))
        try:
            key = msgspec.convert(body, _SeatKey).key
        except msgspec.ValidationError:
            raise SiteRefusedError(site=use, reason=Text(msgid("its answer is not a key"))) from None
        shown = manifests.kept(manifest)
        if shown.hybrid:
            place = await self.place(use)
            public = await self._proven(
                place.site, lambda site: manifests.read_key(key, shown, site, self._now).public
            )
            self._covers[use] = Cover.drawn(shown, _job_of(place), place.site, public, self.randomness)
        return key

    def _drop(self, use: str) -> None:
        """It is over: nothing more is asked."""
        self._runs.pop(use, None)
        self._covers.pop(use, None)

    async def seated(self, use: str, keys: Sequence[str]) -> None:
        """Send the site the keys of all seats.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`.
        """
        await self._called(use, lambda url, token, site: self.jobs.seated(url, token, keys, site, SEAT_WAIT))

    async def ask(self, use: str, step: Step) -> Answer:
        """One step of a use. Asking again is idempotent: the same step gets the same answer.

        A site that needs long is polled, for at most `STEP_LIMIT`.

        Raises:
            SiteAwayError: no answer, it asks for patience, or does not recognise us (yet).
            SiteRefusedError: the site says no, or its answer is not what it claims to be.
        """
        place, cover = await self.place(use), self._covers.get(use)
        asked = None if cover is None else await self._statement(cover, step)
        signature = "" if asked is None else statements.sign_question(asked, self.identity.signer)
        body = await self._called(
            use, lambda url, token, site: self._followed(use, url, token, step, site, signature)
        )
        answer, signed = _answer(place.site, body)
        if asked is not None:
            await self._proven(
                place.site, lambda site: statements.check_answer(signed, asked, answer.digest, site, self._now)
            )
        return answer

    async def _statement(self, cover: Cover, step: Step) -> QuestionStatement:
        """The statement that is signed for a question."""
        digests = await asyncio.to_thread(digests_of, step)
        return QuestionStatement(
            cover.manifest.digest, cover.answers.use, step.round, digests.step, self.did, cover.site
        )

    async def _proven(self, did: str, check: Callable[[Member], T]) -> T:
        """The content that a site has signed with a key that is valid now.

        Raises:
            SiteRefusedError: it is not properly signed.
        """
        try:
            try:
                return check(self.identity.member(did))
            except MldsaKeyUnknownError:  # the key may have changed just now
                await self.identity.look_again()
                return check(self.identity.member(did))
        except (InvalidInputError, UnauthenticatedError) as error:
            told = {"refusal": error.code, "advice": str(error.advice)}
            raise SiteRefusedError(site=did, reason=error.text, **told) from error

    @property
    def _now(self) -> datetime:
        return self.clock.now()

    async def bring(self, use: str, part: Part, blobs: Blobs) -> None:
        """Send the site a part of a question.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`.
        """
        await self._called(use, lambda url, token, site: self.jobs.put_part(url, token, part, blobs, site))

    async def fetch(self, use: str, part: Part, store: BlobStore, keeping: Keeping) -> None:
        """Fetch a part of an answer.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`; also if the site sends something else.
            PartsFullError: the store has no room for it.
        """

        async def fetched(url: str, token: str, site: str) -> None:
            try:
                await self.jobs.fetch_part(url, token, part, store, keeping, site)
            except BadAnswerError as error:  # nothing of it is kept
                raise SiteRefusedError(site=site, reason=error.text, refusal=error.code) from error

        await self._called(use, fetched)

    async def _called(self, use: str, call: Callable[[str, str, str], Awaitable[T]]) -> T:
        """The answer of a use's job endpoint to a call with its token."""
        place = await self.place(use)
        try:
            return await call(place.endpoint, place.token, place.site)
        except AnswerTooLargeError as error:  # and it will be again
            raise SiteRefusedError(site=place.site, reason=error.text, refusal=error.code) from error
        except (UnreachableError, JobBusyError) as error:
            raise SiteAwayError(site=place.site, reason=error.text) from error
        except JobRefusedError as error:
            raise _no_step(place.site, error) from error

    async def _followed(
        self, use: str, endpoint: str, token: str, step: Step, site: str, signature: str
    ) -> JsonObject:
        """The answer to a step, however long the site works on it; its progress reports are passed on."""
        run = self._runs.get(use, "")
        try:
            return await self._worked_on(run, self._covers.get(use), endpoint, token, step, site, signature)
        finally:
            self.waiting.answered(run, site)

    async def _worked_on(
        self, run: str, cover: Cover | None, endpoint: str, token: str, step: Step, site: str, signature: str
    ) -> JsonObject:
        """Pause between two polls."""
        answers = None if cover is None else cover.answers
        answer = await self.jobs.ask(endpoint, token, step, site, timeout=STEP_WAIT, signature=signature, cover=cover)
        until, pause = self.clock.now() + STEP_LIMIT, FIRST_PAUSE
        while isinstance(answer, PendingStep):
            if self.clock.now() >= until:
                said = Text(msgid("it has worked on the step for {hours} hours"), {"hours": STEP_LIMIT // HOUR})
                raise SiteAwayError(site=site, reason=said)
            if answer.percent is not None:
                self.waiting.works(run, site, answer.percent, answer.left)
            await self.clock.sleep(min(max(answer.after or 0.0, pause), LONGEST_PAUSE))
            pause = min(2 * pause, LONGEST_PAUSE)
            answer = await self.jobs.look(endpoint, token, answer.step, site, timeout=STEP_WAIT, answers=answers)
        return answer


@dataclass(frozen=True, slots=True)
class TransferSites(JobSites):
    """The sites of this connector's own runs: their uses are its started transfers."""

    _: KW_ONLY
    transfers: Transfers
    database: Database
    changes: Changes

    async def begin(self, run: str, agreement: str, kind: str) -> str:
        """The started transfer of this run under the agreement; the same one on every call.

        Raises:
            SiteAwayError: it is not started yet.
            SiteRefusedError: the site refused or ended it.
        """
        pid = use_of(run, agreement, kind)
        transfer = await self._transfer(pid)
        if transfer is None:
            try:
                led = await self.database.read(lambda tx: tx.get(RUNS, run))
                by = NOBODY if led is None else led.asked_by
                transfer = await self.transfers.request_transfer(agreement, kind, pid=pid, by=by)
            except RefusedError as error:
                told = {"refusal": error.code, "advice": str(error.advice)}
                raise SiteRefusedError(site=agreement, reason=error.text, **told) from error
        started = await self.changes.until(lambda: self._begun(pid), START_WAIT, TRANSFERS.topic(pid))
        if started is None:
            raise SiteAwayError(site=transfer.counterparty, reason=Text(msgid("it has not started the use yet")))
        if started.failure is not None or started.state in _OVER:
            raise _refused(started)
        self._runs[pid] = run
        return pid

    async def begun(self, run: str, agreement: str, kind: str) -> str | None:
        """The transfer that `begin` has asked for, if it has."""
        transfer = await self._transfer(use_of(run, agreement, kind))
        return None if transfer is None else transfer.id

    async def place(self, use: str) -> SeatEndpoint:
        """The address of a started transfer.

        Raises:
            SiteRefusedError: it was never started, or has no job endpoint.
        """
        transfer = await self._transfer(use)
        if transfer is None or transfer.data_address is None:
            raise SiteRefusedError(site=use, reason=Text(msgid("the use was never started")))
        endpoint, token = _job(transfer.counterparty, transfer.data_address)
        return SeatEndpoint(transfer.counterparty, transfer.agreement, transfer.peer_pid or use, endpoint, token)

    async def end(self, use: str) -> None:
        """Complete the use.

        Raises:
            SiteAwayError: no answer.
        """
        self._drop(use)
        transfer = await self._transfer(use)
        if transfer is not None and transfer.state is TransferState.STARTED:
            await self.transfers.complete(use)

    async def _transfer(self, pid: str) -> Transfer | None:
        return await self.database.read(lambda tx: tx.get(TRANSFERS, pid))

    async def _begun(self, pid: str) -> Transfer | None:
        transfer = await self._transfer(pid)
        if transfer is None:
            return None
        begun = transfer.failure or transfer.state in (TransferState.STARTED, *_OVER)
        return transfer if begun else None


@dataclass(frozen=True, slots=True)
class HandedSites(JobSites):
    """The sites of runs that others handed over (port `runs.ports.LedSites`): their uses began elsewhere."""

    _: KW_ONLY
    handovers: Handovers
    documents: Documents
    _places: dict[str, SeatEndpoint] = field(default_factory=dict, repr=False)  # of the runs that are led now, by use

    async def begin(self, run: str, agreement: str, kind: str) -> str:
        """The use that was handed over with the run.

        Raises:
            SiteRefusedError: its address is not the one that its site itself states.
        """
        del kind
        places = (await self.handovers.mandate(run)).places
        place = next(one for one in places if one.agreement == agreement)
        if not await self._is_there(place):
            reason = Text(msgid("the place where it is to be asked is not one of its own"))
            raise SiteRefusedError(site=place.site, reason=reason)
        self._places[place.use], self._runs[place.use] = place, run
        return place.use

    async def place(self, use: str) -> SeatEndpoint:
        """The address of a use that `begin` has found.

        Raises:
            SiteRefusedError: it has not.
        """
        if use not in self._places:
            raise SiteRefusedError(site=use, reason=Text(msgid("the use was never started")))
        return self._places[use]

    async def end(self, use: str) -> None:
        """Does nothing at the site: the use is its user's to end."""
        self._covers.pop(use, None)

    async def forget(self, run: str) -> None:
        """The run is over: the keys to its uses, and the answers of their sites, are deleted."""
        for use in [use for use, of in self._runs.items() if of == run]:
            self._places.pop(use, None)
            self._drop(use)
        await self.handovers.forget(run)

    async def _is_there(self, place: SeatEndpoint) -> bool:
        """Whether the site itself says that it answers at this address.

        We authenticate with each question: a server at another address could show that to the site in our place.
        """
        where = _origin(place.endpoint)
        if where == _origin(base_url(place.site)):
            return True
        services = (await self.documents.document(place.site)).services
        return any(where == _origin(service.endpoint) for service in services)


@dataclass(frozen=True, slots=True)
class PublishedDictionaries:
    """What the sites publish (port `runs.ports.Dictionaries`), read from their catalogues."""

    finder: Finder
    database: Database

    async def dictionary(self, agreement: str) -> JsonObject | None:
        """The data dictionary of the agreement's dataset; None where it has none, or is no longer offered.

        Raises:
            SiteAwayError: no answer within seconds.
            SiteRefusedError: the site shows us nothing.
        """
        record = await self.database.read(lambda tx: tx.get(AGREEMENTS, agreement))
        if record is None:
            raise UnknownAgreementError(agreement=agreement)
        site = record.provider
        try:
            async with asyncio.timeout(CATALOGUE_WAIT):
                found = await self.finder.dataset(site, record.dataset)
        except AwayError as error:
            raise SiteAwayError(site=site, reason=error.facts["reason"]) from error
        except UnknownDatasetError:
            return None  # the agreement stands: the site itself will say what becomes of it
        except TimeoutError:
            reason = Text(msgid("nothing came within {seconds} seconds"), {"seconds": int(CATALOGUE_WAIT)})
            raise SiteAwayError(site=site, reason=reason) from None
        described: JsonObject | None = listed(site, found)["dictionary"]
        return described


def _job_of(place: SeatEndpoint) -> str:
    """The name by which the site knows the use."""
    return unquote(place.endpoint.rpartition("/")[2])


def _origin(url: str) -> tuple[str, str, int | None]:
    """The origin of an address (RFC 6454 4); for an invalid one, a value equal to no other."""
    try:
        read = urlsplit(url)
        port = read.port or {"http": 80, "https": 443}.get(read.scheme)
    except ValueError:
        return url, "", None
    return (read.scheme, read.hostname or "", port) if read.username is None else (url, "", None)


def _refused(transfer: Transfer) -> SiteRefusedError:
    """Why a use was not started, in the site's own words."""
    failure = transfer.failure
    if failure is None:
        reason = Text(msgid("the transfer is {state}"), {"state": transfer.state.value})
        return SiteRefusedError(site=transfer.counterparty, reason=reason)
    said = plain(" ".join(failure.reason))[:LONGEST_REASON] or failure.code
    return SiteRefusedError(site=transfer.counterparty, reason=_words(said), refusal=failure.code)


def _words(said: str) -> Text:
    """Another party's words as a sentence, without a full stop for use inside another sentence."""
    return Text("{words}", {"words": said})


def _no_step(site: str, error: JobRefusedError) -> SiteRefusedError | SiteAwayError:
    facts = error.facts
    if facts.get("refusal") == StepUnknownError.code:  # it was cut off: the step is to be sent again
        return SiteAwayError(site=site, reason=_words(str(facts["reason"])))
    if facts.get("status") == UNAUTHENTICATED:  # it may pass: a clock that is off, a new key or a new member
        reason_told = Text(msgid("it does not recognise us ({refusal})"), {"refusal": str(facts["refusal"])})
        return SiteAwayError(site=site, reason=reason_told)
    reason, refusal = str(facts["reason"]), str(facts["refusal"])
    return SiteRefusedError(
        site=site, reason=_words(reason or refusal), refusal=refusal, advice=str(facts.get("advice", ""))
    )


def _job(site: str, address: JsonObject) -> tuple[str, str]:
    properties = {p.get("name"): p.get("value") for p in address.get("endpointProperties", ()) if isinstance(p, dict)}
    endpoint, token = address.get("endpoint"), properties.get("authorization")
    if address.get("endpointType") != JOB_ENDPOINT or not isinstance(endpoint, str) or not isinstance(token, str):
        raise SiteRefusedError(site=site, reason=Text(msgid("its data address is not a job endpoint")))
    return endpoint, token


def _answer(site: str, body: JsonObject) -> tuple[Answer, str]:
    """The answer and the signature of its site, if there is one."""
    try:
        read = msgspec.convert(body, _Answered)
        said = release_digest(read.kind, read.round, read.cohort, read.values, parts=read.parts, outbox=read.outbox)
    except ValueError as error:  # msgspec's validation error is one, so is a number that is not finite
        raise SiteRefusedError(site=site, reason=Text(msgid("its answer is not a release"))) from error
    if said != read.digest:
        raise SiteRefusedError(site=site, reason=Text(msgid("its answer has another digest than it says")))
    answer = Answer(
        site=site,
        release=read.release,
        round=read.round,
        kind=read.kind,
        values=read.values,
        cohort=read.cohort,
        digest=read.digest,
        parts=read.parts,
        outbox=read.outbox,
    )
    return answer, read.signature
