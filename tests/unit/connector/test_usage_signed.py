"""Runs of masked sums: everything is signed twice; what is not, or is for something else, is refused with a code."""

from dataclasses import replace

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.connector.ports import TransferEvent
from medspace.connector.usage.errors import (
    JobClosedError,
    NotAdmittedError,
    StepUnknownError,
    StepUnsealedError,
    StepUnsignedError,
    UnknownJobError,
    WithheldError,
)
from medspace.connector.usage.memory import Numbered
from medspace.connector.usage.naming import digests_of
from medspace.connector.usage.seats import SeatPeers, Seats
from medspace.core.engine import MASKED_SUMS
from medspace.core.signing import HybridSigner
from medspace.core.usage import Output, Step
from medspace.runs import manifest as manifests
from medspace.runs.covers import Answers, Cover, CoveredAnswer
from medspace.runs.statements import QuestionStatement, check_answer, sign_question
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.errors import (
    EnvelopeError,
    EnvelopeUnreadableError,
    MldsaKeyEndedError,
    MldsaKeyMissingError,
    MldsaKeyRevokedError,
    MldsaKeyUnknownError,
    SignatureError,
    SignatureSingleError,
)
from tests.runs import Everybody, manifest_of, signed, signer_of
from tests.signing import hybrid_of, ring_of
from tests.unit.connector.uses import HOLDER, NOW, TASK, USER, House, call

B, C = "did:web:b.example", "did:web:z.example"
AGREEMENTS = {HOLDER: "urn:agreement:1", B: "urn:agreement:b", C: "urn:agreement:z"}
LEADER = "did:web:leader.example"
THREE = TASK | {"min_sites": 3}
JOB = "urn:job:1"
MANIFEST = manifest_of(USER, THREE, AGREEMENTS, protocol=MASKED_SUMS, colluders=0)
SECRETS = {site: EnvelopeKey.generate(SeededRandomness(number)) for number, site in enumerate((B, C), 20)}
SECOND = int(NOW.timestamp())


class Masking:
    """A holder whose engine protects by masks, with a started use and everybody's seat taken."""

    def __init__(self):
        self.house = House(hybrid=True, min_sites=3, protection=None, colluders=0)
        self.house.sit = self._nothing
        self.house.engine.protection = lambda _task: MASKED_SUMS
        self.token = ""

    async def _nothing(self, _):
        """Tests here take the seats themselves."""

    async def begin(self):
        await self.house.agree()
        self.token = await self.house.start()
        return self

    async def seated(self, text=None):
        text = text or signed(MANIFEST, hybrid_of(USER))
        return await self.house.control.seats.take(call(self.token), text)

    async def keyed(self, **keys):
        own = await self.seated()
        others = {site: key_by(site) for site in (B, C)} | keys
        await self.house.control.seats.seat(call(self.token), [own, *others.values()])
        return self

    def call(self, signature=None, *, signer=None, user=USER, of=None, sealed=True, **changes):
        """A question, sealed, and signed by who asks, unless told otherwise."""
        step = of or Step(THREE, 1, "sum")
        said = {"manifest": MANIFEST.digest, "use": JOB, "round": step.round, "step": digests_of(step).step}
        asked = QuestionStatement(**(said | {"user": user, "site": HOLDER} | changes))
        signature = sign_question(asked, signer or hybrid_of(user)) if signature is None else signature
        return replace(call(self.token, user=USER), step=step, signature=signature, sealed=sealed)

    async def ask(self, *args, **changes):
        return await self.house.control.step(self.call(*args, **changes))

    async def peers(self) -> tuple[SeatPeers, SeatPeers]:
        """What the engine here gets, and what that of B gets."""
        ours = await self.house.control.seats.peers(JOB, Numbered(1, "urn:admission"))
        identity = replace(ours.identity, signer=hybrid_of(B))
        return ours, replace(ours, holder=B, identity=identity, secret=lambda: SECRETS[B])

    def list_key(self, did, **times):
        """What the members list says of somebody's key from now on."""
        ring = ring_of(did)
        ring.known = (replace(ring.known[0], **times),)
        self.house.members.rings[did] = ring


def key_by(site, signer=None):
    return manifests.sign_key(MANIFEST, site, SECRETS[site].public, signer or hybrid_of(site))


@pytest.fixture
async def run():
    return await (await Masking().begin()).keyed()


# --- seats ----------------------------------------------------------------------------------------------------------


async def test_a_signed_question_is_answered(run):
    assert (await run.ask()).cohort == 50


@pytest.mark.parametrize("did", [USER, B], ids=["user", "seat"])
async def test_a_party_without_a_key_on_the_list_gives_no_seat_under_masks(did):
    run = await Masking().begin()
    run.house.members.rings[did] = replace(ring_of(did), known=())
    error = MldsaKeyMissingError if did == USER else NotAdmittedError
    with pytest.raises(error) as caught:
        await run.seated()
    assert "medspace keys take" in str(caught.value.facts.get("remedy", caught.value.advice))
    other = replace(MANIFEST, protocol="coordinator-sees-sums")  # the control: without masks they go on
    assert await run.seated(signed(other, hybrid_of(USER)))


async def test_a_manifest_signed_once_is_refused_where_the_user_could_sign_twice():
    run = await Masking().begin()
    for protocol in (MASKED_SUMS, "coordinator-sees-sums"):
        with pytest.raises(SignatureSingleError):
            await run.seated(signed(replace(MANIFEST, protocol=protocol), signer_of(USER)))


async def test_a_seat_key_signed_once_or_with_a_foreign_key_is_refused():
    run = await Masking().begin()
    with pytest.raises(SignatureSingleError):
        await run.keyed(**{B: key_by(B, signer_of(B))})
    with pytest.raises(MldsaKeyUnknownError):
        await run.keyed(**{B: key_by(B, HybridSigner(signer_of(B), ring_of("another")))})


async def test_a_key_that_is_revoked_in_the_middle_ends_the_run_here(run):
    await run.ask()
    run.list_key(B, revoked=SECOND)
    with pytest.raises(NotAdmittedError) as caught:
        await run.ask(of=Step(THREE, 2, "sum"))
    assert caught.value.facts["decision"] == "run.signing"
    assert "keys take" in str(caught.value.facts["remedy"])


# --- questions and answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"signature": ""}, StepUnsignedError),
        ({"signature": "a.b"}, SignatureError),
        ({"signer": signer_of(USER)}, SignatureSingleError),
        ({"signer": HybridSigner(signer_of(USER), ring_of("another"))}, MldsaKeyUnknownError),
        ({"signer": HybridSigner(signer_of(B), ring_of(USER))}, SignatureError),
        ({"user": B}, SignatureError),
        ({"use": "urn:job:2"}, SignatureError),
        ({"site": B}, SignatureError),
        ({"round": 2}, SignatureError),
        ({"manifest": "sha256:" + "0" * 64}, SignatureError),
        ({"step": digests_of(Step(THREE, 1, "mean")).step}, SignatureError),
    ],
)  # fmt: skip
async def test_a_question_that_is_not_signed_for_just_this_is_refused(run, changes, error):
    with pytest.raises(error):
        await run.ask(**changes)
    assert await run.house.kinds() == []
    assert (await run.ask()).cohort == 50  # the control


@pytest.mark.parametrize(
    ("times", "error"),
    [
        ({"revoked": SECOND}, MldsaKeyRevokedError),
        ({"until": SECOND - 3600}, MldsaKeyEndedError),
        ({"since": SECOND + 3600}, MldsaKeyEndedError),
    ],
)
async def test_a_key_of_the_user_that_does_not_count_now_is_refused_with_what_to_do(run, times, error):
    run.list_key(USER, **times)
    with pytest.raises(error) as caught:
        await run.ask()
    assert caught.value.code.startswith("signature.key-")
    assert USER in str(caught.value.text)
    run.list_key(USER)
    assert (await run.ask()).cohort == 50


async def test_a_key_that_was_changed_just_now_is_looked_up(run):
    run.house.members.rings[USER] = ring_of("the one before")
    run.house.members.strangers.add("nobody")
    known = run.house.look_again

    async def look_again():
        run.house.members.rings.clear()
        return await known()

    seats = run.house.control.seats
    object.__setattr__(seats, "identity", replace(seats.identity, look_again=look_again))
    assert (await run.ask()).cohort == 50


async def test_the_answer_is_signed_for_who_asked(run):
    asked = run.call()
    standing = await run.house.control.ask(asked, 5)
    seats = run.house.control.seats
    signature = await seats.sign_answer(asked, standing.step, standing.release)
    said = QuestionStatement(MANIFEST.digest, JOB, 1, standing.step, USER, HOLDER)
    check_answer(signature, said, standing.release.digest, run.house.members.member(HOLDER), NOW)
    for other in (replace(said, round=2), replace(said, user=B)):
        with pytest.raises(SignatureError):
            check_answer(signature, other, standing.release.digest, run.house.members.member(HOLDER), NOW)
    again = await run.house.control.look(replace(call(run.token), signature=""), standing.step, 5)
    assert again.release == standing.release  # who looks at what was asked signs nothing anew


async def test_without_masks_nothing_need_be_signed_but_what_is_signed_holds():
    house = House(min_sites=1)
    await house.agree()
    token = await house.start()
    asked = call(token)
    standing = await house.control.ask(asked, 5)
    assert await house.control.seats.sign_answer(asked, standing.step, standing.release) == ""


# --- peers ----------------------------------------------------------------------------------------------------------


async def test_messages_for_all_peers_are_signed_once_and_open_for_each(run):
    ours, theirs = await run.peers()
    sealed = theirs.seal_all({HOLDER: b"for us", C: b"for c"}, "round 1")
    assert ours.open(B, "round 1", sealed[HOLDER]) == b"for us"
    assert sealed[HOLDER].rsplit(".", 3)[1:] == sealed[C].rsplit(".", 3)[1:]
    for peer, label, text in (
        (B, "round 2", sealed[HOLDER]),
        (C, "round 1", sealed[HOLDER]),
        (B, "round 1", sealed[C]),
    ):
        with pytest.raises(EnvelopeError):
            ours.open(peer, label, text)
    with pytest.raises(EnvelopeError):
        theirs.seal_all({HOLDER: b"", USER: b""}, "round 1")


async def test_what_is_said_to_all_is_proven_by_all_and_by_its_sender(run):
    ours, theirs = await run.peers()
    text = theirs.sign("contribution 3", b"masked numbers")
    assert ours.proven(B, "contribution 3", text) == theirs.proven(B, "contribution 3", text) == b"masked numbers"
    for peer, label in ((B, "contribution 4"), (C, "contribution 3"), (USER, "contribution 3")):
        with pytest.raises(EnvelopeError):
            ours.proven(peer, label, text)


async def test_what_is_said_to_all_with_messages_for_some_is_proven_with_them(run):
    ours, theirs = await run.peers()
    text, sealed = theirs.announce("contribution 3", b"masked numbers", {HOLDER: b"a share"})
    assert ours.announced(B, "contribution 3", text) == theirs.announced(B, "contribution 3", text)
    assert ours.open(B, "contribution 3", sealed[HOLDER]) == b"a share"
    for peer, label in ((B, "contribution 4"), (C, "contribution 3"), (USER, "contribution 3")):
        with pytest.raises(EnvelopeError):
            ours.announced(peer, label, text)
    with pytest.raises(EnvelopeError):
        theirs.announce("contribution 3", b"", {USER: b""})


@pytest.mark.parametrize(
    ("times", "error"), [({"revoked": SECOND}, MldsaKeyRevokedError), ({"until": SECOND - 90}, MldsaKeyEndedError)]
)
async def test_a_peer_whose_key_ends_or_is_revoked_in_the_middle_is_refused(run, times, error):
    ours, theirs = await run.peers()
    sealed, said = theirs.seal(HOLDER, "round 1", b"a share"), theirs.sign("round 1", b"numbers")
    told, _ = theirs.announce("round 1", b"numbers", {HOLDER: b"a share"})
    assert ours.open(B, "round 1", sealed) == b"a share"
    assert ours.announced(B, "round 1", told) == b"numbers"
    run.list_key(B, **times)
    for work in (
        lambda: ours.open(B, "round 1", sealed),
        lambda: ours.proven(B, "round 1", said),
        lambda: ours.announced(B, "round 1", told),
    ):
        with pytest.raises(error):
            work()
    again, _ = await run.peers()  # as after a start: the key of its seat counts no more than its messages
    with pytest.raises(error):
        again.seal(B, "round 2", b"a share")


async def test_a_peer_that_signs_once_is_refused(run):
    ours, theirs = await run.peers()
    weak = replace(theirs, identity=replace(theirs.identity, signer=signer_of(B)))
    with pytest.raises(SignatureSingleError):
        ours.open(B, "round 1", weak.seal(HOLDER, "round 1", b"a share"))
    with pytest.raises(SignatureSingleError):
        ours.proven(B, "round 1", weak.sign("round 1", b"numbers"))


@pytest.mark.parametrize("how", ["sealed", "in clear", "signed once", "by another", "for another"])
async def test_the_gate_lets_out_only_what_was_sealed_here(run, how):
    ours, theirs = await run.peers()
    once = replace(ours, identity=replace(ours.identity, signer=signer_of(HOLDER)))
    made = ours.seal_all({B: b"a share", C: b"another"}, "round 1")
    outbox = {
        "sealed": made,
        "in clear": made | {B: "a share"},
        "signed once": once.seal_all({B: b"a share", C: b"another"}, "round 1"),
        "by another": {C: theirs.seal(C, "round 1", b"a share")},
        "for another": {B: made[C], C: made[B]},
    }[how]
    run.house.engine.output = Output("count.sum", {"sum": 1.5}, 50, outbox=outbox)
    if how == "sealed":
        assert (await run.ask()).outbox == made
        return
    with pytest.raises(WithheldError) as caught:
        await run.ask()
    assert caught.value.facts["decision"] == "release.outbox"


# --- sealed questions -----------------------------------------------------------------------------------------------
def covered(key_text, use=JOB):
    """The way to the seat here, as who leads the run has it."""
    seat = manifests.read_key(key_text, MANIFEST, Everybody(hybrid=True).member(HOLDER), NOW)
    return Cover.drawn(MANIFEST, use, HOLDER, seat.public, SeededRandomness(5))


async def test_a_question_in_the_open_is_refused_once_there_is_a_seat():
    masking = await (await Masking().begin()).keyed()
    with pytest.raises(StepUnsealedError):
        await masking.ask(sealed=False)
    assert (await masking.ask()).round == 1  # control


async def test_a_sealed_question_is_opened_and_brings_what_seals_its_answers():
    masking = await Masking().begin()
    cover, seats = covered(await masking.seated()), masking.house.control.seats
    body, answers = await seats.uncovered(call(masking.token), cover.question(b"asked"))
    assert body == b"asked"
    said = CoveredAnswer(200, b"said")
    assert cover.answers.opened(answers.sealed(said, "x"), "x") == said
    with pytest.raises(EnvelopeUnreadableError):
        await seats.uncovered(call(masking.token), b"asked")
    with pytest.raises(UnknownJobError):
        await seats.uncovered(call("another"), cover.question(b"asked"))


async def test_where_nobody_sits_nothing_is_opened():
    masking = await Masking().begin()
    seats = masking.house.control.seats
    with pytest.raises(EnvelopeUnreadableError):
        await seats.uncovered(call(masking.token), b"sealed for nobody")
    assert await seats.answers(call(masking.token)) is None


async def test_later_looks_are_answered_under_what_the_last_question_brought():
    masking = await (await Masking().begin()).keyed()
    control = masking.house.control
    cover = covered(await masking.seated())
    with pytest.raises(StepUnknownError):  # nothing was asked since the start
        await control.seats.answers(call(masking.token))
    with pytest.raises(SignatureError):  # nobody gets in between who cannot ask
        await control.ask(masking.call(signer=hybrid_of(B)), 5.0, replace(cover.answers, key=bytes(32)))
    with pytest.raises(StepUnknownError):
        await control.seats.answers(call(masking.token))
    await control.ask(masking.call(), 5.0, cover.answers)
    assert await control.seats.answers(call(masking.token)) == cover.answers
    with pytest.raises(UnknownJobError):
        await control.seats.answers(call("another"))
    await control.seats.memories.sweep()  # the use goes on
    assert await control.seats.answers(call(masking.token)) == cover.answers
    await masking.house.tell(TransferEvent.COMPLETED)
    await control.seats.memories.sweep()
    assert control.seats.memories.answers == {}


async def test_nothing_is_kept_for_a_use_that_was_forgotten_meanwhile(monkeypatch):
    """It ends while the signature of its question is looked at: nobody would forget the key again."""
    masking = await (await Masking().begin()).keyed()
    seats = masking.house.control.seats
    cover, honest = covered(await masking.seated()), Seats._check_leads

    async def meanwhile(self, *args):
        await honest(self, *args)
        await masking.house.tell(TransferEvent.COMPLETED)
        await seats.memories.sweep()

    monkeypatch.setattr(Seats, "_check_leads", meanwhile)
    with pytest.raises((UnknownJobError, JobClosedError)):
        await masking.house.control.ask(masking.call(), 5.0, cover.answers)
    assert seats.memories.answers == {}


async def led_by_another():
    """A use whose user has named another coordinator."""
    masking = await Masking().begin()
    manifest = replace(MANIFEST, coordinator=LEADER)
    take = masking.house.control.seats.take
    own = await take(call(masking.token), signed(manifest, hybrid_of(USER)))
    others = [manifests.sign_key(manifest, site, SECRETS[site].public, hybrid_of(site)) for site in (B, C)]
    await masking.house.control.seats.seat(call(masking.token), [own, *others])

    def asked(user):
        said = masking.call(user=user, manifest=manifest.digest)
        return replace(said, user=user)

    return masking, asked, lambda fill: Answers(manifest.digest, JOB, bytes([fill]) * 32, SeededRandomness(5))


async def test_only_who_leads_the_run_says_under_what_it_is_answered(monkeypatch):
    masking, asked, answers = await led_by_another()
    control = masking.house.control
    await control.ask(asked(LEADER), 5.0, answers(1))
    with pytest.raises(NotAdmittedError) as refused:  # the door knows the user as well
        await control.ask(asked(USER), 5.0, answers(2))
    assert refused.value.facts["decision"] == "run.coordinator"
    assert (await masking.house.kinds())[-1] == "use.refused"
    assert (await control.seats.answers(asked(LEADER))).key == answers(1).key
    monkeypatch.setattr(Seats, "_check_leads", _anybody)  # the control
    with pytest.raises(NotAdmittedError):
        await control.ask(asked(USER), 5.0, answers(2))
    assert (await control.seats.answers(asked(LEADER))).key == answers(2).key


async def _anybody(*_):
    """Whoever asks."""
