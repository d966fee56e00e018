"""Taking a seat in a run: a use is shown the manifest, adds its key, gets the keys of all seats, and seals with them.

The manifest of a use can be replaced until something is admitted under it, never after that. The private key of the
seat is sealed under the key of the use, which is stored outside the database: it is gone when the use is over.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.calls import Call, Holder, Refusal, told
from medspace.connector.usage.conditions import Grounds
from medspace.connector.usage.conditions.seats import hybrid, operators
from medspace.connector.usage.door import Door
from medspace.connector.usage.errors import (
    ManifestsTriedError,
    NotAdmittedError,
    SeatKeysTriedError,
    StepUnknownError,
    StepUnsealedError,
    StepUnsignedError,
)
from medspace.connector.usage.labelling import label_of
from medspace.connector.usage.memory import Memories, Numbered
from medspace.connector.usage.model import JOBS, SEATS, Job, TakenSeat
from medspace.connector.usage.ports import Threads
from medspace.connector.usage.seatkeys import SeatKeys
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness, stamp
from medspace.core.decision import Decision
from medspace.core.engine import RunTerms
from medspace.core.signing import HybridSigner, Signer
from medspace.core.store import Database, Transaction
from medspace.core.usage import Release
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.policy import carried, odrl
from medspace.policy.limits import listed
from medspace.policy.outputs import DEPARTURE
from medspace.runs import covers, seating, statements
from medspace.runs import manifest as manifests
from medspace.runs.covers import Answers
from medspace.runs.manifest import Manifest, SeatKey
from medspace.runs.seating import Seen
from medspace.runs.statements import QuestionStatement
from medspace.trust import envelope
from medspace.trust.envelope import Context, EnvelopeKey
from medspace.trust.errors import EnvelopeError, EnvelopeUnreadableError, MldsaKeyUnknownError, UnauthenticatedError
from medspace.trust.model import Member
from medspace.trust.ports import Directory

MOST_MANIFESTS = (
    32  # per use, that are refused or replace another: a run that loses sites makes that many seat tables
)
MOST_TRIES = 16  # per use, since this connector started: a run brings its keys once
_SEALED_AS = "seat"  # the name under which a private key is sealed


@dataclass(frozen=True, slots=True)
class SiteIdentity:
    """This holder's own keys, as its DID document shows them, and the list of all members."""

    signer: Signer
    members: Directory
    look_again: Callable[[], Awaitable[bool]]  # fetches the list again, unless that was done a moment ago
    clock: Clock

    async def meet(self, parties: Iterable[str]) -> None:
        """Fetch the list again if one of these is not on it yet; new members may not have appeared yet."""
        for party in parties:
            try:
                self.members.member(party)
            except UnauthenticatedError:
                await self.look_again()
                return

    def member(self, did: str) -> Member:
        """A member with its public keys.

        Raises:
            UnauthenticatedError: not a member, or there is no valid list.
        """
        return self.members.member(did)

    def own(self, did: str) -> Member:
        """This holder with its own keys, including those that the list does not name yet."""
        mldsa = self.signer.mldsa.known if isinstance(self.signer, HybridSigner) else ()
        return Member(did, "", "", (), self.signer.public_key, mldsa=mldsa)


@dataclass(frozen=True)
class Seats:
    """Takes seats for uses, and provides the seats to the steps that work in them."""

    grounds: Grounds
    door: Door
    identity: SiteIdentity
    memories: Memories
    database: Database
    threads: Threads
    clock: Clock
    randomness: Randomness
    _tried: dict[str, int] = field(default_factory=dict, repr=False)  # by use: keys that had to be verified
    _proven: SeatKeys = field(default_factory=SeatKeys, repr=False)

    @property
    def holder(self) -> Holder:
        """Who holds the rows."""
        return self.grounds.holder

    async def take(self, call: Call, text: str) -> str:
        """Take the seat that a manifest gives to a use; returns this seat's signed key.

        Repeating it gives the same key.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
            ManifestInvalidError: the manifest is not signed by the user of the agreement.
            NotAdmittedError: it gives no seat here, or not in such a run, or steps were admitted under another one.
            ManifestsTriedError: too many were shown.
        """
        manifest, known = await self.database.read(lambda tx: self._read(tx, call, text))
        if known is not None and known.manifest == text:
            return known.key
        await self.identity.meet(manifest.parties)
        key = EnvelopeKey.generate(self.randomness)
        secret = await self.memories.sealed(call.job, key.seed, _SEALED_AS)
        leaves, label = await self.database.read(lambda tx: (self._leaves(tx, call), self._label(tx, call)))
        signed = manifests.sign_key(
            manifest, self.holder.did, key.public, self.identity.signer, leaves=leaves, label=label
        )
        seat = TakenSeat(call.job, text, signed, secret)
        taken = await self.database.write(lambda tx: self._take(tx, call, manifest, seat))
        if isinstance(taken, Refusal):
            raise taken.error
        return taken.key

    async def seat(self, call: Call, keys: Sequence[str]) -> str:
        """Accept the keys of all seats; returns the digest of the manifest that they belong to.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
            NotAdmittedError: no manifest was shown.
            SeatKeysTriedError: other keys were brought too often.
            SeatKeyInvalidError: a seat has none, or not one that it signed for this manifest.
            UnauthenticatedError: a seat is no longer a member.
        """
        seat = await self.database.read(lambda tx: self._shown(tx, call))
        read: tuple[SeatKey, ...] = ()
        if seat is None or not seat.keys or not set(keys) <= set(seat.keys):
            read = await self._verified(call.job, seat, tuple(keys))
        done = await self.database.write(lambda tx: self._seat(tx, call, seat, read))
        if isinstance(done, Refusal):
            raise done.error
        self._tried.pop(call.job, None)
        return done

    async def _verified(self, use: str, seat: TakenSeat | None, keys: tuple[str, ...]) -> tuple[SeatKey, ...]:
        """The verified keys of all seats.

        That means many signatures and lattice keys, so it runs off the event loop and the writer.

        Raises:
            SeatKeysTriedError: this use has brought keys too often that were not accepted.
        """
        tried = self._tried.get(use, 0)
        if tried >= MOST_TRIES:
            raise SeatKeysTriedError(most=MOST_TRIES)
        self._tried[use] = tried + 1
        if seat is None:
            return ()
        manifest = manifests.kept(seat.manifest)
        now = self.clock.now()

        def read() -> tuple[SeatKey, ...]:
            return manifests.read_keys(keys, manifest, self.identity.member, now)

        try:
            return await self.threads.call(use, read)
        except MldsaKeyUnknownError:  # a peer may have changed its key just now
            await self.identity.look_again()
            return await self.threads.call(use, read)

    async def peers(
        self, use: str, step: Numbered, seat: TakenSeat | None = None, *, looked: bool = False
    ) -> "SeatPeers | None":
        """What the engine of a use seals and opens with in one step; None where the seats have no keys.

        `seat` is the seat of the use, if it was already `looked` up.
        """
        seat = seat if looked else await self.database.read(lambda tx: tx.get(SEATS, use))
        if seat is None or not seat.keys:
            return None
        secret = seat.secret
        return SeatPeers(
            self.holder.did,
            manifests.kept(seat.manifest),
            seat.keys,
            self.identity,
            lambda: EnvelopeKey(self.memories.unsealed(use, secret, _SEALED_AS)),
            lambda: self.memories.begin(use, step),
            self._proven,
        )

    async def sealed(self, use: str, outbox: Mapping[str, str]) -> bool:
        """Whether every message for another seat was sealed here for that seat; other messages are not checked."""
        seat = await self.database.read(lambda tx: tx.get(SEATS, use))
        if seat is None:
            return True
        manifest, own = manifests.kept(seat.manifest), self.identity.own(self.holder.did)
        mail = {peer: message for peer, message in outbox.items() if peer in manifest.sites}
        context = Context(manifest.run, manifest.digest, self.holder.did, "", "")
        now, both = self.clock.now(), manifest.hybrid
        return await self.threads.call(use, lambda: envelope.all_sealed(mail, context, own, now, both=both))

    async def uncovered(self, call: Call, sealed: bytes) -> tuple[bytes, Answers]:
        """A sealed question of a run of masked sums, opened, and what seals the answers to it.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
            EnvelopeUnreadableError: it is not sealed for this seat, or this use has no seat.
            UseMemoryError: the key of the seat is gone.
        """
        seat = await self.database.read(lambda tx: self._shown(tx, call))
        manifest = None if seat is None else manifests.kept(seat.manifest)
        if seat is None or manifest is None or not manifest.hybrid:
            raise EnvelopeUnreadableError(sender=call.user)
        use, secret, site = call.job, seat.secret, self.holder.did

        def opened() -> tuple[bytes, Answers]:
            key = EnvelopeKey(self.memories.unsealed(use, secret, _SEALED_AS))
            return covers.uncovered(sealed, manifest, use, site, key, self.randomness)

        return await self.threads.call(use, opened)

    async def answers(self, call: Call) -> Answers | None:
        """What seals replies about a step that was asked for before; None where the run does not want them sealed.

        Raises:
            UnknownJobError, JobClosedError: as for a step.
            StepUnknownError: nothing was asked since this connector started.
        """
        seat = await self.database.read(lambda tx: self._shown(tx, call))
        if seat is None or not manifests.kept(seat.manifest).hybrid:
            return None
        if call.job not in self.memories.answers:
            raise StepUnknownError(use=call.job)
        return self.memories.answers[call.job]

    async def check_asked(self, call: Call, step: str, answers: Answers | None = None) -> None:
        """Refuse a question of a run of masked sums, by its digest, that is not sealed or not signed by its leader.

        If it passes, later requests for its result are answered under `answers`.

        Raises:
            StepUnsealedError: it came unencrypted.
            StepUnsignedError: it is not signed.
            SignatureError, MldsaKeyRevokedError, ...: it is signed by somebody else, for something else, or with a
                key that does not count (`trust.hybrid.check`).
            NotAdmittedError: the caller does not lead the run.
        """
        if call.signature is None or (manifest := await self._masked(call.job)) is None:
            return
        self._check_sealed(call)
        if not call.signature:
            raise StepUnsignedError
        asked = QuestionStatement(manifest.digest, call.job, call.step.round, step, call.user, self.holder.did)
        try:
            self._check(asked, call.signature)
        except MldsaKeyUnknownError:  # the key may have changed just now
            await self.identity.look_again()
            self._check(asked, call.signature)
        await self._check_leads(call, manifest)
        if answers is not None and answers.manifest == manifest.digest:
            self.memories.answer_with(call.job, answers)

    async def _check_leads(self, call: Call, manifest: Manifest) -> None:
        """The door admits the user too, to show manifests.

        But it must not ask questions where another member leads.
        """
        decision = seating.asked_by(manifest, call.user)
        if self.grounds.brakes.sites and not decision.permitted:
            refused = await self.database.write(lambda tx: self._refuse(tx, self.door.job(tx, call), decision))
            raise refused.error

    def _check_sealed(self, call: Call) -> None:
        if not call.sealed:
            raise StepUnsealedError

    def _check(self, asked: QuestionStatement, signature: str) -> None:
        statements.check_question(signature, asked, self.identity.member(asked.user), self.clock.now())

    async def sign_answer(self, call: Call, step: str, release: Release) -> str:
        """This holder's signature on an answer to the question with that digest; "" where the run wants none."""
        manifest = await self._masked(call.job)
        if manifest is None:
            return ""
        asked = QuestionStatement(manifest.digest, call.job, release.round, step, call.user, self.holder.did)
        return statements.sign_answer(asked, release.digest, self.identity.signer)

    async def _masked(self, use: str) -> Manifest | None:
        """The manifest of a use, where its questions and answers are signed."""
        seat = await self.database.read(lambda tx: tx.get(SEATS, use))
        manifest = None if seat is None else manifests.kept(seat.manifest)
        return manifest if manifest is not None and manifest.hybrid else None

    # --- inside transactions -----------------------------------------------------------------------------------
    def _read(self, tx: Transaction, call: Call, text: str) -> tuple[Manifest, TakenSeat | None]:
        job = tx.get(JOBS, call.job)
        # Showing another user's manifest proves nothing: the door answers as it would any stranger.
        user = call.user if job is None else job.user
        manifest = manifests.read(text, self.identity.member(user), self.clock.now())
        job, seat = self.door.job(tx, call, manifest.coordinator), tx.get(SEATS, call.job)
        if job.manifests >= MOST_MANIFESTS and (seat is None or seat.manifest != text):
            raise ManifestsTriedError(most=MOST_MANIFESTS)  # before a key is created, and without a log entry
        return manifest, seat

    def _leaves(self, tx: Transaction, call: Call) -> bool:
        """Whether the agreement lists, as an output, that the run continues without this holder."""
        job = tx.get(JOBS, call.job)
        agreement = None if job is None else tx.get(AGREEMENTS, job.agreement)
        return agreement is not None and DEPARTURE in listed(odrl.parse(agreement.policy))

    def _label(self, tx: Transaction, call: Call) -> JsonObject | None:
        """What results carry of the label of the data."""
        job = tx.get(JOBS, call.job)
        return None if job is None else carried.of(label_of(tx, job.asset))

    def _take(self, tx: Transaction, call: Call, manifest: Manifest, seat: TakenSeat) -> TakenSeat | Refusal:
        job, known = self.door.job(tx, call, manifest.coordinator), tx.get(SEATS, call.job)
        if known is not None and known.manifest == seat.manifest:
            return known
        if job.manifests >= MOST_MANIFESTS:  # other keys arrived meanwhile
            return Refusal(ManifestsTriedError(most=MOST_MANIFESTS))
        against = self._against(tx, job, manifest, known)
        if known is not None or against is not None:
            tx.replace(JOBS, job, replace(job, manifests=job.manifests + 1))
        if against is not None:
            return self._refuse(tx, job, against)
        if known is None:
            tx.insert(SEATS, seat)
        else:
            tx.replace(SEATS, known, seat)
        return seat

    def _against(self, tx: Transaction, job: Job, manifest: Manifest, known: TakenSeat | None) -> Decision | None:
        """The reasons against taking this seat, also in view of a seat that was taken before."""
        decision = seating.decide(manifest, self._seen(tx, job, manifest))
        if self.grounds.brakes.sites and not decision.permitted:
            return decision
        return seating.another(manifest) if known is not None and job.steps else None

    def _shown(self, tx: Transaction, call: Call) -> TakenSeat | None:
        self.door.job(tx, call)
        return tx.get(SEATS, call.job)

    def _seat(self, tx: Transaction, call: Call, shown: TakenSeat | None, read: tuple[SeatKey, ...]) -> str | Refusal:
        """Accept keys that were verified for the seat as it was `shown`; does nothing where it has them already."""
        job, seat = self.door.job(tx, call), tx.get(SEATS, call.job)
        if seat is None:
            return self._refuse(tx, job, seating.shown(None))
        manifest, texts = manifests.kept(seat.manifest), tuple(key.text for key in read)
        same = shown is not None and shown.manifest == seat.manifest
        if same and seat.keys and set(texts) <= set(seat.keys):  # repeated, perhaps by the seats that remain
            return manifest.digest
        if not same or seat.keys or seat.key not in texts:
            return self._refuse(tx, job, seating.other_keys())
        tx.replace(SEATS, seat, replace(seat, keys=texts))
        return manifest.digest

    def _seen(self, tx: Transaction, job: Job, manifest: Manifest) -> Seen:
        known = operators(tx, self.grounds.facts, manifest)
        signing = hybrid(tx, self.grounds.facts, manifest)
        return Seen(self.holder.did, job.agreement, job.user, known, hybrid=signing)

    def _refuse(self, tx: Transaction, job: Job, decision: Decision) -> Refusal:
        premise = decision.failures[0]
        facts = {"agreement": job.agreement, "transfer": job.id, "user": job.user, "code": decision.code}
        entry = Entry("use.refused", stamp(self.clock.now()), self.holder.did, facts | {"clause": premise.clause})
        record(tx, entry)
        return Refusal(NotAdmittedError(**told(decision.code, premise)))


@dataclass(frozen=True)
class SeatPeers:
    """The keys of a run as one seat has them (`core.engine.Peers`); its own private key is opened on first use."""

    holder: str
    manifest: Manifest
    texts: tuple[str, ...]  # the keys of all seats, as they signed them
    identity: SiteIdentity
    secret: Callable[[], EnvelopeKey]
    begin: Callable[[], None]  # before anything is done with keys: whether this step may (`Memories.begin`)
    proven_keys: SeatKeys = field(default_factory=SeatKeys, repr=False)
    _proven: envelope.Proven = field(default_factory=set, repr=False)  # in this step

    @property
    def seats(self) -> tuple[str, ...]:
        """The DIDs of all seats, sorted."""
        return self.manifest.sites

    @property
    def terms(self) -> RunTerms:
        """The terms on which sums are opened."""
        manifest = self.manifest
        leaving = frozenset(site for site, key in self._keys.items() if key.leaves)
        colluders = 1 if manifest.colluders is None else manifest.colluders
        return RunTerms(manifest.digest, manifest.coordinator, manifest.min_sites, colluders, leaving)

    def seal(self, peer: str, label: str, message: bytes) -> str:
        """A message for one peer.

        Raises:
            EnvelopeError: it is too large, or the peer has no seat.
        """
        return self.seal_all({peer: message}, label)[peer]

    def seal_all(self, messages: Mapping[str, bytes], label: str) -> dict[str, str]:
        """Messages for several peers under one label and one signature.

        Raises:
            EnvelopeError: one is too large, or a peer has no seat.
        """
        keys = {peer: self._public(peer) for peer in messages}
        return envelope.seal_all(messages, self._context(self.holder, label), keys, self.identity.signer)

    def announce(self, label: str, content: bytes, messages: Mapping[str, bytes]) -> tuple[str, dict[str, str]]:
        """A message for everyone, and messages for several peers under one label: all under one signature.

        Raises:
            EnvelopeError: one is too large, or a peer has no seat.
        """
        keys = {peer: self._public(peer) for peer in messages}
        context = self._context(self.holder, label)
        return envelope.announce(content, messages, context, keys, self.identity.signer)

    def announced(self, peer: str, label: str, text: str) -> bytes:
        """What a seat announced to everyone, with what it sealed.

        Raises:
            EnvelopeError: it did not sign it for this run under this label.
            MldsaKeyUnknownError, MldsaKeyRevokedError, ...: the key of the peer does not count.
        """
        self._public(peer)
        context, both = self._context(peer, label), self.manifest.hybrid
        return envelope.announced(text, context, self._sender(peer), self._now, both=both, proven=self._proven)

    def open(self, peer: str, label: str, sealed: str) -> bytes:
        """Open a message of one peer.

        Raises:
            EnvelopeError: the peer did not seal it for this seat, this run and this label.
            MldsaKeyUnknownError, MldsaKeyRevokedError, ...: the key of the peer does not count.
        """
        self._public(peer)
        context, sender = self._context(peer, label, self.holder), self.identity.member(peer)
        both, proven = self.manifest.hybrid, self._proven
        return envelope.open_sealed(sealed, context, self._secret, sender, self._now, both=both, proven=proven)

    def sign(self, label: str, content: bytes) -> str:
        """A message for everyone, signed and not sealed.

        Raises:
            EnvelopeError: it is too large.
        """
        return envelope.sign(content, self._context(self.holder, label), self.identity.signer)

    def proven(self, peer: str, label: str, text: str) -> bytes:
        """The content that a seat signed for everyone, once its signature is verified.

        Raises:
            EnvelopeError: it did not sign it for this run under this label.
            MldsaKeyUnknownError, MldsaKeyRevokedError, ...: the key of the peer does not count.
        """
        self._public(peer)
        context, both = self._context(peer, label), self.manifest.hybrid
        return envelope.proven(text, context, self._sender(peer), self._now, both=both)

    def pair(self, peer: str, label: str, seed: bytes, sealed: str) -> bytes:
        """The secret shared with one peer: the seat with the lower DID drew the seed and sealed it for the other.

        Raises:
            EnvelopeError: the peer has no seat.
        """
        lower, higher = sorted((self.holder, peer))
        context = self._context(lower, label, higher)
        return envelope.pair_secret(seed, context, (self._public(lower), self._public(higher)), sealed)

    def _context(self, sender: str, label: str, recipient: str = "") -> Context:
        return Context(self.manifest.run, self.manifest.digest, sender, recipient, label)

    def _sender(self, peer: str) -> Member:
        return self.identity.own(peer) if peer == self.holder else self.identity.member(peer)

    @property
    def _now(self) -> datetime:
        return self.identity.clock.now()

    def _public(self, site: str) -> bytes:
        if site not in self._keys:
            raise EnvelopeError(sender=site)
        return self._keys[site].public

    @cached_property
    def _keys(self) -> Mapping[str, SeatKey]:
        self.begin()
        return self.proven_keys.read(self.texts, self.manifest, self.identity.member, self._now)

    @cached_property
    def _secret(self) -> EnvelopeKey:
        return self.secret()
