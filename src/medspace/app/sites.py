"""The coordinator's way to the sites (port `runs.ports.Sites`): a step is a call of the job of a use.

A use of a run of one's own is a transfer; one of a run that was handed over comes with its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

import msgspec

from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError, JobBusyError, JobRefusedError
from medspace.adapters.http.peers import JobClient, PendingStep
from medspace.app.bell import Bell
from medspace.app.finding import AwayError, Finder, listed
from medspace.app.waiting import Waiting
from medspace.connector.errors import UnknownAgreementError, UnknownDatasetError, UnreachableError
from medspace.connector.model import AGREEMENTS, TRANSFERS, Transfer, TransferState
from medspace.connector.transfer.service import Transfers
from medspace.connector.usage.errors import StepUnknownError
from medspace.connector.usage.naming import digests_of
from medspace.connector.usage.seats import Identity
from medspace.connector.usage.strategy import JOB_ENDPOINT
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
from medspace.runs.handover import Place
from medspace.runs.ports import Answer
from medspace.runs.statements import Asked
from medspace.trust.did import base_url
from medspace.trust.errors import MldsaKeyUnknownError, UnauthenticatedError
from medspace.trust.model import Member
from medspace.trust.ports import Documents

T = TypeVar("T")
START_WAIT = 8.0  # seconds for a transfer to be started; then the coordinator's own patience decides
SEAT_WAIT = 30.0  # seconds for what a site says to a manifest
STEP_WAIT = 120.0  # seconds for one answer: a site that needs longer says so
HOUR = timedelta(hours=1)
STEP_LIMIT = 24 * HOUR  # for all answers about one step; before that, the coordinator's own patience decides
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds between two answers about one step
CATALOGUE_WAIT = 5.0  # seconds for what a site publishes: who is away is to be said at once
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
    """Asks the sites at the places where their uses are asked."""

    jobs: JobClient
    clock: Clock
    waiting: Waiting
    did: str
    identity: Identity
    randomness: Randomness
    _runs: dict[str, str] = field(default_factory=dict)  # whose uses are being asked, by use
    _covers: dict[str, Cover] = field(default_factory=dict, repr=False)  # by use: all is signed, and sealed

    async def place(self, use: str) -> Place:
        """Where a use is asked.

        Raises:
            SiteRefusedError: nobody has said where.
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
        """Hand the site the keys of all seats.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`.
        """
        await self._called(use, lambda url, token, site: self.jobs.seated(url, token, keys, site, SEAT_WAIT))

    async def ask(self, use: str, step: Step) -> Answer:
        """One step of a use; the same step again is the same step, and gives the same answer.

        A site that needs long is asked again and again, at most for `STEP_LIMIT`.

        Raises:
            SiteAwayError: no answer, it asks for patience, or does not recognise us (yet).
            SiteRefusedError: the site says no, or its answer is not what it says it is.
        """
        place, cover = await self.place(use), self._covers.get(use)
        asked = None if cover is None else await self._asked(cover, step)
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

    async def _asked(self, cover: Cover, step: Step) -> Asked:
        """What is signed of a question."""
        digests = await asyncio.to_thread(digests_of, step)
        return Asked(cover.manifest.digest, cover.answers.use, step.round, digests.step, self.did, cover.site)

    async def _proven(self, did: str, check: Callable[[Member], T]) -> T:
        """What a site has signed, where it did, with a key that counts now.

        Raises:
            SiteRefusedError: it did not.
        """
        try:
            try:
                return check(self.identity.member(did))
            except MldsaKeyUnknownError:  # changed just now, perhaps
                await self.identity.look_again()
                return check(self.identity.member(did))
        except (InvalidInputError, UnauthenticatedError) as error:
            told = {"refusal": error.code, "advice": str(error.advice)}
            raise SiteRefusedError(site=did, reason=error.text, **told) from error

    @property
    def _now(self) -> datetime:
        return self.clock.now()

    async def bring(self, use: str, part: Part, blobs: Blobs) -> None:
        """Bring the site a part of a question.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`.
        """
        await self._called(use, lambda url, token, site: self.jobs.put_part(url, token, part, blobs, site))

    async def fetch(self, use: str, part: Part, store: BlobStore, keeping: Keeping) -> None:
        """Fetch a part of an answer.

        Raises:
            SiteAwayError, SiteRefusedError: as for `ask`; it refuses as well if it gives something else.
            PartsFullError: the store has no room for it.
        """

        async def fetched(url: str, token: str, site: str) -> None:
            try:
                await self.jobs.fetch_part(url, token, part, store, keeping, site)
            except BadAnswerError as error:  # nothing of it is kept
                raise SiteRefusedError(site=site, reason=error.text, refusal=error.code) from error

        await self._called(use, fetched)

    async def _called(self, use: str, call: Callable[[str, str, str], Awaitable[T]]) -> T:
        """What the job endpoint of a use says to a call of it, with its token, at a site."""
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
        """The answer to a step, however long the site works on it; what it says of its progress is passed on."""
        run = self._runs.get(use, "")
        try:
            return await self._worked_on(run, self._covers.get(use), endpoint, token, step, site, signature)
        finally:
            self.waiting.answered(run, site)

    async def _worked_on(
        self, run: str, cover: Cover | None, endpoint: str, token: str, step: Step, site: str, signature: str
    ) -> JsonObject:
        """Between two questions the site has a rest."""
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
    bell: Bell

    async def begin(self, run: str, agreement: str, kind: str) -> str:
        """The transfer of this run under the agreement, started; the same one however often it is asked for.

        Raises:
            SiteAwayError: it is not started yet.
            SiteRefusedError: the site refused or ended it.
        """
        pid = _pid(run, agreement, kind)
        transfer = await self._transfer(pid)
        if transfer is None:
            try:
                transfer = await self.transfers.request_transfer(agreement, kind, pid=pid)
            except RefusedError as error:
                told = {"refusal": error.code, "advice": str(error.advice)}
                raise SiteRefusedError(site=agreement, reason=error.text, **told) from error
        started = await self.bell.until(lambda: self._begun(pid), START_WAIT)
        if started is None:
            raise SiteAwayError(site=transfer.counterparty, reason=Text(msgid("it has not started the use yet")))
        if started.failure is not None or started.state in _OVER:
            raise _refused(started)
        self._runs[pid] = run
        return pid

    async def begun(self, run: str, agreement: str, kind: str) -> str | None:
        """The transfer that `begin` has asked for, if it has."""
        transfer = await self._transfer(_pid(run, agreement, kind))
        return None if transfer is None else transfer.id

    async def place(self, use: str) -> Place:
        """Where a started transfer is asked.

        Raises:
            SiteRefusedError: it was never started, or is none that is asked.
        """
        transfer = await self._transfer(use)
        if transfer is None or transfer.data_address is None:
            raise SiteRefusedError(site=use, reason=Text(msgid("the use was never started")))
        endpoint, token = _job(transfer.counterparty, transfer.data_address)
        return Place(transfer.counterparty, transfer.agreement, transfer.peer_pid or use, endpoint, token)

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
    _places: dict[str, Place] = field(default_factory=dict, repr=False)  # of the runs that are led now, by use

    async def begin(self, run: str, agreement: str, kind: str) -> str:
        """The use that was handed over with the run.

        Raises:
            SiteRefusedError: it is asked somewhere else than its site says that it is.
        """
        del kind
        places = (await self.handovers.mandate(run)).places
        place = next(one for one in places if one.agreement == agreement)
        if not await self._is_there(place):
            reason = Text(msgid("the place where it is to be asked is not one of its own"))
            raise SiteRefusedError(site=place.site, reason=reason)
        self._places[place.use], self._runs[place.use] = place, run
        return place.use

    async def place(self, use: str) -> Place:
        """Where a use is asked that `begin` has found.

        Raises:
            SiteRefusedError: it has not.
        """
        if use not in self._places:
            raise SiteRefusedError(site=use, reason=Text(msgid("the use was never started")))
        return self._places[use]

    async def end(self, use: str) -> None:
        """Nothing at the site: the use is its user's to end."""
        self._covers.pop(use, None)

    async def forget(self, run: str) -> None:
        """The run is over: what opens its uses, and the answers of their sites, is deleted."""
        for use in [use for use, of in self._runs.items() if of == run]:
            self._places.pop(use, None)
            self._drop(use)
        await self.handovers.forget(run)

    async def _is_there(self, place: Place) -> bool:
        """Whether the site itself says that it answers there.

        We prove who we are with each question: whoever gets that somewhere else could show it to the site in our
        place.
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
        """The data dictionary of the agreement's dataset; None where it has none, or is offered no longer.

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


def _job_of(place: Place) -> str:
    """By which name the site knows the use."""
    return unquote(place.endpoint.rpartition("/")[2])


def _pid(run: str, agreement: str, kind: str) -> str:
    """The run names the transfer: a coordinator that was killed after asking finds what it asked for."""
    return uuid5(NAMESPACE_URL, f"{run}\n{agreement}\n{kind}").urn


def _origin(url: str) -> tuple[str, str, int | None]:
    """The origin of an address (RFC 6454 4); of what is none, one that no other has."""
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
    """What somebody else said, as a sentence: it gives up its full stop inside of another one."""
    return Text("{words}", {"words": said})


def _no_step(site: str, error: JobRefusedError) -> SiteRefusedError | SiteAwayError:
    facts = error.facts
    if facts.get("refusal") == StepUnknownError.code:  # it was cut off: the step is to be sent again
        return SiteAwayError(site=site, reason=_words(str(facts["reason"])))
    if facts.get("status") == UNAUTHENTICATED:  # it may pass: a clock that is off, a key or a member that is new
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
    """The answer and the signature of its site, if any."""
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
