"""Seats in runs: taken under a manifest that holds, kept for the use, gone with it; what peers seal."""

import asyncio
import threading
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256

import pytest

from medspace.adapters.memory import SeededRandomness
from medspace.connector.usage.errors import (
    JobClosedError,
    ManifestsTriedError,
    NotAdmittedError,
    SeatKeysTriedError,
    UnknownJobError,
    UseMemoryError,
    UseRestoredError,
    WithheldError,
)
from medspace.connector.usage.memory import Numbered
from medspace.connector.usage.model import SEATS
from medspace.connector.usage.seats import MOST_MANIFESTS, MOST_TRIES
from medspace.core import limits
from medspace.core.errors import InvalidInputError
from medspace.core.parts import Keeping, Part
from medspace.core.usage import Brakes, Output
from medspace.runs import manifest as manifests
from medspace.runs.errors import ManifestInvalidError, SeatKeyInvalidError
from medspace.trust.envelope import EnvelopeKey
from medspace.trust.errors import NotMemberError
from tests.runs import Everybody, manifest_of, signed, signer_of
from tests.unit.connector.uses import HOLDER, NOW, TASK, USER, House, call

B, C = "did:web:b.example", "did:web:z.example"  # one on either side of the holder, by their DIDs
AGREEMENTS = {HOLDER: "urn:agreement:1", B: "urn:agreement:b", C: "urn:agreement:z"}
FIRST = Numbered(1, "urn:uuid:a")
THREE = TASK | {"min_sites": 3}


async def house_of(least=3, *, on=True):
    """A holder whose agreement wants three at the table, with a started use; and its token."""
    house = House(min_sites=least, brakes=Brakes(sites=on))
    house.sit = _nothing
    await house.agree()
    return house, await house.start()


async def _nothing(_):
    """Tests here take the seats themselves."""


def manifest(**changes):
    return manifest_of(USER, THREE, AGREEMENTS, **changes)


async def seated(house, token, shown=None, user=USER):
    """Take the seat; the holder's own key."""
    return await house.control.seats.take(call(token, user=user), signed(shown or manifest()))


async def asked(house, token, user=USER, **step):
    return await house.control.step(call(token, user=user, **{"task": THREE, **step}))


async def refusal(work):
    with pytest.raises(NotAdmittedError) as caught:
        await work
    return caught.value.facts["decision"]


async def admissions(house):
    return [entry.facts for entry in await house.log() if entry.kind == "use.admitted"]


async def test_a_use_is_shown_a_bounded_number_of_manifests():
    """Whoever floods a use with them gets so many entries and keys, and no more; the one that holds stays."""
    house, token = await house_of()
    good = manifest()
    key = await seated(house, token, good)
    for number in range(MOST_MANIFESTS):
        bad = _own_seat(number)
        assert await refusal(seated(house, token, bad)) == "run.own_seat"
    assert await house.kinds() == ["use.refused"] * MOST_MANIFESTS
    for number in range(3):
        with pytest.raises(ManifestsTriedError):
            await seated(house, token, _own_seat(MOST_MANIFESTS + number))
    assert len(await house.log()) == MOST_MANIFESTS
    assert await seated(house, token, good) == key
    await asked(house, token)


async def test_two_that_come_at_once_are_counted_both():
    house, token = await house_of()
    await house.change(manifests=MOST_MANIFESTS - 1)
    found = await asyncio.gather(
        *(seated(house, token, _own_seat(number)) for number in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in found) == ["ManifestsTriedError", "NotAdmittedError"]
    assert len(await house.log()) == 1


def _own_seat(number):
    """A manifest that is refused: its user has a seat."""
    seats = {HOLDER: "urn:agreement:1", B: "urn:agreement:b", USER: "urn:agreement:u"}
    return manifest_of(USER, THREE, seats, nonce=f"{number:064x}")


# --- what is shown --------------------------------------------------------------------------------------------------


async def test_a_step_under_a_manifest_is_admitted_and_its_digest_noted():
    house, token = await house_of()
    await seated(house, token)
    await asked(house, token)
    (admitted,) = await admissions(house)
    shown = manifest()
    assert (admitted["run"], admitted["manifest"], admitted["sites"]) == (shown.run, shown.digest, 3)


async def test_without_a_manifest_nothing_is_admitted():
    house, token = await house_of(least=1)
    assert await refusal(asked(house, token)) == "run.no_manifest"
    assert await house.kinds() == ["use.refused"]
    assert house.source.opened == []


async def test_the_same_manifest_again_gives_the_same_key():
    house, token = await house_of()
    key = await seated(house, token)
    assert await seated(house, token) == key
    assert manifests.read_key(key, manifest(), Everybody().member(HOLDER), NOW).site == HOLDER


async def test_a_manifest_shown_twice_at_once_is_taken_once():
    house, token = await house_of()
    first, second = await asyncio.gather(seated(house, token), seated(house, token))
    assert first == second == await seated(house, token)


async def test_another_manifest_is_taken_until_something_is_admitted_under_the_first():
    house, token = await house_of()
    first, other = await seated(house, token), manifest(nonce="1" * 64)
    second = await seated(house, token, other)
    assert second != first
    await asked(house, token)
    assert await refusal(seated(house, token)) == "run.other_manifest"
    assert await seated(house, token, other) == second


GROUP = {B: "did:web:group.example", C: "did:web:group.example"}
TABLES = {
    "run.own_seat": (AGREEMENTS | {USER: "urn:agreement:u"}, {}),
    "run.operator": (AGREEMENTS, GROUP),
    "run.members": (AGREEMENTS, {B: None}),
    "run.seat": (AGREEMENTS | {HOLDER: "urn:agreement:2"}, {}),
}
CONTROL = pytest.mark.parametrize("on", [True, False], ids=["brake on", "control"])


@pytest.mark.parametrize("code", TABLES)
@CONTROL
async def test_a_table_that_this_holder_does_not_sit_at(code, on):
    """With the brake off the same manifest is taken, and a step of it answered."""
    house, token = await house_of(on=on)
    seats, house.operators = TABLES[code]
    shown = manifest_of(USER, THREE, seats)
    if on:
        assert await refusal(seated(house, token, shown)) == code
        assert await house.kinds() == ["use.refused"]
    else:
        await seated(house, token, shown)
        assert (await asked(house, token)).cohort == 50


FEWER = {HOLDER: AGREEMENTS[HOLDER], B: AGREEMENTS[B]}


@CONTROL
@pytest.mark.parametrize("seats", [FEWER, AGREEMENTS], ids=["fewer seats", "fewer are enough"])
async def test_a_manifest_that_promises_fewer_sites_than_the_agreement_wants(seats, on):
    house, token = await house_of(on=on)
    await seated(house, token, manifest_of(USER, THREE, seats, min_sites=2))
    if on:
        assert await refusal(asked(house, token)) == "use.sites"
    else:
        assert (await asked(house, token)).cohort == 50


@CONTROL
async def test_the_manifest_of_another_run_opens_no_task_of_this_one(on):
    house, token = await house_of(on=on)
    await seated(house, token, manifest_of(USER, THREE | {"column": "other"}, AGREEMENTS))
    if on:
        assert await refusal(asked(house, token)) == "run.task"
    else:
        assert (await asked(house, token)).cohort == 50


async def test_a_manifest_that_promises_more_protection_than_the_task_gets_is_refused():
    house, token = await house_of()
    await seated(house, token, manifest(protocol="noised-sums"))
    assert await refusal(asked(house, token)) == "run.protocol"


@CONTROL
async def test_who_is_not_on_the_list_of_the_agreement_sits_in_no_run_with_this_holder(on):
    """With the brake off the step is answered: whoever the user seats learns what the others' sums leave over."""
    house = House(min_sites=3, holders=[B], brakes=Brakes(sites=on))
    house.sit = _nothing
    await house.agree()
    token = await house.start()
    await seated(house, token)
    if on:
        assert await refusal(asked(house, token)) == "policy.holders"
        assert [entry.facts["clause"] for entry in await house.log()] == ["/permission/0/constraint/4"]
        assert house.source.opened == []
    else:
        assert (await asked(house, token)).cohort == 50


async def test_a_run_with_holders_of_the_list_only_is_answered_and_stays_so_at_the_gate():
    house = House(min_sites=3, holders=[B, C, "did:web:absent.example"])
    house.sit = _nothing
    await house.agree()
    token = await house.start()
    await seated(house, token)
    assert (await asked(house, token)).cohort == 50
    assert (await asked(house, token)).cohort == 50  # the kept answer, under what holds now


async def test_only_the_coordinator_of_the_manifest_asks():
    """What the user asks beside it would stand in the log as asked by the coordinator, who knows nothing of it."""
    other = "did:web:coordinator.example"
    for on in (True, False):
        house, token = await house_of(on=on)
        await seated(house, token, manifest(coordinator=other), user=other)
        if on:
            assert await refusal(asked(house, token)) == "run.coordinator"
        else:  # the control
            assert (await asked(house, token)).cohort == 50
            assert (await admissions(house))[0]["coordinator"] == other


async def test_the_entry_names_a_coordinator_who_is_not_the_user():
    house, token = await house_of()
    other = "did:web:coordinator.example"
    await seated(house, token, manifest(coordinator=other), user=other)
    await asked(house, token, user=other)
    assert [(one["user"], one["coordinator"]) for one in await admissions(house)] == [(USER, other)]


async def test_a_seat_whose_member_is_removed_ends_the_run_here():
    house, token = await house_of()
    await seated(house, token)
    await asked(house, token)
    house.operators[B] = None
    assert await refusal(asked(house, token, round=2)) == "run.members"


async def test_the_parts_that_a_coordinator_brings_are_kept_where_the_engine_looks():
    """They were kept under the coordinator, and the engine looked under the user: the step failed."""
    house, token = await house_of()
    other = "did:web:coordinator.example"
    await seated(house, token, manifest(coordinator=other), user=other)
    content, seen = b"content", []
    part = Part(sha256(content).hexdigest(), "application/octet-stream", len(content))
    keeping = await house.control.parts.enter(other, "urn:job:1", token)
    assert keeping == await house.control.parts.enter(USER, "urn:job:1", token) == Keeping(USER, "urn:job:1")
    receiving = house.blobs.receive(keeping, part)
    receiving.write(content)
    receiving.finish()

    def answer(_admission, step, workplace):
        with workplace.blobs.open(step.parts[0]) as opened:
            seen.append(opened.read())
        return house.engine.output

    house.engine.answer = answer
    assert await asked(house, token, user=other, parts=(part,))
    assert seen == [content]


@pytest.mark.parametrize("text", [signed(manifest(), signer_of(B)), "", "x" * 200_000], ids=["other", "none", "long"])
async def test_a_manifest_that_the_user_did_not_sign_is_refused(text):
    house, token = await house_of()
    with pytest.raises(ManifestInvalidError):
        await house.control.seats.take(call(token), text)


async def test_only_who_may_use_the_job_shows_it_manifests():
    house, token = await house_of()
    for caller, held, job in ((B, token, "urn:job:1"), (USER, "wrong", "urn:job:1"), (USER, token, "urn:job:9")):
        with pytest.raises(UnknownJobError):
            await house.control.seats.take(call(held, user=caller, job=job), signed(manifest()))
    await house.change(open=False)
    with pytest.raises(JobClosedError):
        await seated(house, token)


async def test_a_coordinator_whom_the_manifest_names_leads_for_the_user():
    house, token = await house_of()
    other = "did:web:coordinator.example"
    with pytest.raises(UnknownJobError):
        await seated(house, token, user=other)  # this manifest names nobody else
    await seated(house, token, manifest(coordinator=other), user=other)
    await asked(house, token, user=other)
    assert [facts["user"] for facts in await admissions(house)] == [USER]
    house.operators[other] = None
    assert await refusal(asked(house, token, user=other, round=2)) == "run.members"


# --- the keys of the seats ------------------------------------------------------------------------------------------


SECRETS = {site: EnvelopeKey.generate(SeededRandomness(number)) for number, site in enumerate((B, C), 20)}


def key_by(site, secret, signer=None, shown=None):
    return manifests.sign_key(shown or manifest(), site, SECRETS[secret].public, signer_of(signer or site))


async def keys_of(house, token):
    """The keys of all seats, each signed by its own: that of this holder, and those of two that tests play."""
    return {HOLDER: await seated(house, token), B: key_by(B, B), C: key_by(C, C)}


async def hand(house, token, keys):
    return await house.control.seats.seat(call(token), list(keys))


async def test_the_keys_of_all_seats_are_taken_once_and_again():
    house, token = await house_of()
    keys = await keys_of(house, token)
    for handed in (keys.values(), keys.values(), [keys[B]]):  # again, also by those who are left of a run
        assert await hand(house, token, handed) == manifest().digest


async def test_keys_without_a_manifest_are_refused():
    house, token = await house_of()
    assert await refusal(hand(house, token, [])) == "run.no_manifest"
    assert await house.control.seats.peers("urn:job:1", FIRST) is None


BEFORE = manifest_of(USER, THREE, AGREEMENTS, run="urn:run:before")
FORGERIES = {
    "forged by the coordinator": lambda keys: keys | {B: key_by(B, C, USER)},
    "swapped": lambda keys: keys | {B: key_by(B, C, C), C: key_by(C, B, B)},
    "of another run": lambda keys: keys | {B: key_by(B, B, shown=BEFORE)},
    "missing": lambda keys: {site: key for site, key in keys.items() if site != B},
    "twice": lambda keys: keys | {C: keys[B]},
    "one too many": lambda keys: keys | {"more": key_by("did:web:more.example", B)},
    "something else": lambda keys: keys | {B: "a.b.c"},
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_key_that_its_seat_did_not_sign_for_this_manifest_is_refused(forgery):
    house, token = await house_of()
    keys = await keys_of(house, token)
    with pytest.raises(SeatKeyInvalidError):
        await hand(house, token, FORGERIES[forgery](keys).values())
    assert await house.control.seats.peers("urn:job:1", FIRST) is None
    await hand(house, token, keys.values())  # the control: as their seats signed them they are taken
    assert await house.control.seats.peers("urn:job:1", FIRST) is not None


async def test_keys_do_not_change_nor_this_seats_own():
    house, token = await house_of()
    keys = await keys_of(house, token)
    own = keys | {HOLDER: key_by(HOLDER, B)}
    assert await refusal(hand(house, token, own.values())) == "run.other_keys"
    await hand(house, token, keys.values())
    others = keys | {B: key_by(B, C)}
    assert await refusal(hand(house, token, others.values())) == "run.other_keys"


@pytest.mark.parametrize("shown", [True, False], ids=["a manifest shown", "none shown"])
async def test_keys_that_are_not_taken_up_are_not_brought_without_end(shown):
    """Each time cost a signature and a lattice key for every seat, and where it was refused an entry in the log."""
    house, token = await house_of()
    keys = (await keys_of(house, token)) if shown else {}
    wrong = keys | {HOLDER: key_by(HOLDER, B)}
    for _ in range(MOST_TRIES):
        await refusal(hand(house, token, wrong.values()))
    with pytest.raises(SeatKeysTriedError):
        await hand(house, token, wrong.values())
    assert await house.kinds() == ["use.refused"] * MOST_TRIES


async def test_keys_that_were_taken_up_are_brought_as_often_as_one_likes():
    house, token = await house_of()
    keys = await keys_of(house, token)
    for _ in range(MOST_TRIES + 1):
        assert await hand(house, token, keys.values()) == manifest().digest


async def test_keys_are_verified_where_nobody_waits_for_the_writer():
    house, token = await house_of()
    keys, threads = await keys_of(house, token), []
    known = house.control.seats.identity.members
    member = known.member

    def seen(did):
        threads.append(threading.current_thread().name.partition("-")[0])
        return member(did)

    known.member = seen
    await hand(house, token, keys.values())
    assert set(threads) == {"beside"}


async def test_keys_for_a_manifest_that_is_another_one_by_now_are_refused(monkeypatch):
    house, token = await house_of()
    keys = await keys_of(house, token)
    seats = house.control.seats
    real, other = type(seats)._verified, manifest(nonce="1" * 64)

    async def slow(self, *what):
        read = await real(self, *what)
        await seated(house, token, other)
        return read

    monkeypatch.setattr(type(seats), "_verified", slow)
    assert await refusal(hand(house, token, keys.values())) == "run.other_keys"
    assert await seats.peers("urn:job:1", FIRST) is None


async def test_a_key_of_a_seat_that_is_no_member_is_refused():
    house, token = await house_of()
    keys = await keys_of(house, token)
    house.members.strangers.add(B)
    with pytest.raises(NotMemberError):
        await hand(house, token, keys.values())


# --- peers ----------------------------------------------------------------------------------------------------------


async def table():
    """A holder at a table, what its engine gets, and what that of B gets, which tests play."""
    house, token = await house_of()
    await hand(house, token, (await keys_of(house, token)).values())
    ours = await house.control.seats.peers("urn:job:1", FIRST)
    theirs = replace(ours, holder=B, identity=replace(ours.identity, signer=signer_of(B)), secret=lambda: SECRETS[B])
    return house, token, ours, theirs


async def test_peers_seal_and_open_for_each_other_and_nobody_else():
    _, _, ours, theirs = await table()
    assert ours.seats == tuple(sorted(AGREEMENTS))
    sealed = ours.seal(B, "round 1", b"a share")
    assert theirs.open(HOLDER, "round 1", sealed) == b"a share"
    assert ours.open(B, "answer", theirs.seal(HOLDER, "answer", b"another")) == b"another"
    for peer, label in ((HOLDER, "round 2"), (C, "round 1"), ("did:web:stranger", "round 1")):
        with pytest.raises(InvalidInputError):
            theirs.open(peer, label, sealed)
    with pytest.raises(InvalidInputError):
        ours.seal("did:web:stranger", "round 1", b"a share")


async def test_a_pair_has_one_secret_of_what_both_saw():
    _, _, ours, theirs = await table()
    seed, sealed = b"s" * 32, theirs.seal(HOLDER, "pair", b"s" * 32)  # B has the lower DID
    assert theirs.pair(HOLDER, "pair", seed, sealed) == ours.pair(B, "pair", ours.open(B, "pair", sealed), sealed)
    assert ours.pair(B, "pair", seed, sealed) != ours.pair(C, "pair", seed, sealed)
    with pytest.raises(InvalidInputError):
        ours.pair("did:web:stranger", "pair", seed, sealed)


async def test_the_engine_gets_the_peers_of_its_run():
    house, token, _, _ = await table()
    seen = []
    house.engine.answer = lambda _admission, _step, workplace: seen.append(workplace.keys) or house.engine.output
    await asked(house, token)
    assert seen[0].seats == tuple(sorted(AGREEMENTS))


class Sealing:
    """An engine that masks with what it has in common with a peer, and remembers nothing."""

    def __init__(self, engine):
        self.engine, self.made = engine, []

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def answer(self, admission, step, workplace):
        self.made.append(workplace.keys.pair(C, "mask", b"s" * 32, "sealed"))
        return self.engine.output


@pytest.mark.parametrize("rolled", ["database", "both", "nothing"])
async def test_a_seat_whose_steps_a_restored_database_forgot_uses_its_keys_no_more(rolled):
    """With both rolled back nobody can tell (the control), and nothing is refused where nothing was."""
    house, token, _, _ = await table()
    sealing = house.engine = Sealing(house.engine)
    house.ended = []
    house.end = lambda use, decision: house.ended.append((use, decision.code))
    house.build()
    before, keys = deepcopy(house.database._state), deepcopy(house.keys)
    await asked(house, token)
    if rolled != "nothing":
        house.database._state = before
    if rolled == "both":
        house.keys = keys
    house.build()
    if rolled == "database":
        with pytest.raises(UseRestoredError):
            await asked(house, token, name="mean")
        assert (await house.log())[-1].facts["code"] == "use.restored"
        assert house.ended == [("urn:job:1", "use.restored")]
        assert len(sealing.made) == 1
    else:
        await asked(house, token, round=2)
        assert len(sealing.made) == 2
        assert house.ended == []


async def test_the_private_key_is_gone_with_the_key_of_the_use():
    house, _, ours, theirs = await table()
    sealed = theirs.seal(HOLDER, "label", b"m")
    house.keys.forget("urn:job:1")
    assert ours.manifest == theirs.manifest
    with pytest.raises(UseMemoryError):
        (await house.control.seats.peers("urn:job:1", FIRST)).open(B, "label", sealed)


async def test_the_seat_is_gone_with_the_use():
    house, _, _, _ = await table()
    await house.change(over=True)
    await house.control.recover()
    assert await house.database.read(lambda tx: tx.get(SEATS, "urn:job:1")) is None
    assert list(house.keys.uses()) == []


# --- mail -----------------------------------------------------------------------------------------------------------


async def test_mail_leaves_with_the_release_and_is_in_its_digest():
    house, token, ours, _ = await table()
    first, second = ours.seal(B, "first", b"m"), ours.seal(B, "second", b"m")
    house.engine.output = Output("count.sum", {"sum": 1.5}, 50, outbox={B: first})
    release = await asked(house, token)
    assert release.outbox == {B: first}
    assert await asked(house, token) == release  # the same step again is the same answer, mail and all
    house.engine.output = Output("count.sum", {"sum": 1.5}, 50, outbox={B: second})
    assert (await asked(house, token, name="mean")).digest != release.digest


@pytest.mark.parametrize(
    "outbox",
    [{USER: "m"}, {HOLDER: "m"}, {"did:web:stranger": "m"}, {B: "m" * (limits.MAIL + 1)}],
    ids=["user", "itself", "stranger", "long"],
)
async def test_mail_for_nobody_at_the_table_does_not_leave(outbox):
    house, token = await house_of()
    await seated(house, token)
    house.engine.output = Output("count.sum", {"sum": 1.5}, 50, outbox=outbox)
    with pytest.raises(WithheldError) as caught:
        await asked(house, token)
    assert caught.value.facts["decision"] == "release.outbox"


async def test_a_step_with_other_mail_is_another_step():
    house, token = await house_of()
    await seated(house, token)
    for _ in range(2):
        await asked(house, token, inbox={B: "one"})
    assert len(house.engine.asked) == 1
    assert (await refusal(asked(house, token, inbox={B: "two"}))).startswith("use.")


async def test_a_member_that_was_admitted_just_now_is_heard_of_before_it_is_refused():
    house, token = await house_of()
    house.members.strangers.add(C)
    house.control.seats.identity.members.strangers.add(C)
    assert await seated(house, token)
    assert C not in house.members.strangers


async def test_a_use_without_a_seat_has_no_peers_whose_mail_could_be_looked_at():
    house, _ = await house_of()
    assert await house.control.seats.sealed("urn:job:1", {B: "in clear"})
