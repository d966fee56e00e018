"""Consents: contradictions, ends inside a run, counts that are watched, floods, and hospitals that cheat."""

import time
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.app.features.wallets.kinds import KINDS as WALLET_KINDS
from medspace.core.clock import instant, stamp
from medspace.ledger import kinds
from medspace.policy.consent import deciding, reading
from medspace.policy.consent.model import ConsentAnswer, ConsentParty, seconds
from medspace.services.consents import commitments, editions, publishing, recording, replaying, signed
from medspace.services.consents.model import (
    COUNTED,
    PATIENTS,
    SHAPES,
    VERSIONS,
    ConsentPatient,
    ConsentShape,
    ConsentTerms,
    ConsentVersion,
)
from medspace.services.consents.register import Register
from medspace.services.wallets import commitments as authority_commitments
from medspace.services.wallets import holder
from medspace.services.wallets.commitments import statement
from medspace.services.wallets.consents import PatientDesk
from medspace.trust.credentials import jose
from tests.unit.connector.uses import HOLDER, NOW, PURPOSE
from tests.unit.services.consent_histories import ACT_REASON, History
from tests.unit.services.consents import Clinic, document, task
from tests.unit.services.wallets.hospital import Hospital, Patient

kinds.learn(WALLET_KINDS)  # as whoever loads the features does
FIVE = range(5)
DAY = timedelta(days=1)


# --- what patients say -------------------------------------------------------------------------------------------


async def contradicted(*, brake):
    """Five patients say yes in one consent and no in another, in every way; how many of them a use counts."""
    house = await Clinic(consent=brake).ready(range(5, 40))
    research = [{"purpose": [{"system": ACT_REASON, "code": "HRESCH"}]}]
    await house.say(document(0), document(0, "deny", identity="later"))
    await house.say(document(1, "deny"), document(1, identity="later"))
    await house.say(document(2), document(2, identity="later", provision=research))
    await house.say(document(3, "deny", identity="old", version=9), document(3, version=1))
    await house.say(
        document(4), document(4, "deny", period={"start": "2026-01-01", "end": "2099-01-01"}, identity="x")
    )
    await house.open()
    await house.ask(await house.start())
    return len(house.counted() & set(FIVE))


async def test_a_no_overrides_a_yes_of_the_same_patient(attack_report):
    got, control = await contradicted(brake=True), await contradicted(brake=False)
    attack_report(
        "consent: patients counted who have said yes and no", got=got, control=control, of=5, unit="patients"
    )
    assert (got, control) == (0, 5)


async def ended_inside(*, brake):
    """The consents of five patients end while a use runs; how many of its later answers still count one of them."""
    house = Clinic(consent=brake)
    await house.agree()
    ends = [{"end": stamp(NOW + timedelta(minutes=minute))} for minute in range(10, 15)]
    await house.say(*(document(one) for one in range(5, 40)), *(document(at, period=ends[at]) for at in FIVE))
    await house.open()
    token, got = await house.start(), 0
    assert not isinstance(await house.ask(token), str)
    house.clock.advance(9.5 * 60)
    for number in FIVE:
        house.clock.advance(60.0)
        got += not isinstance(await house.ask(token, name="mean", round=number + 2), str)
    return got


async def test_a_consent_that_ends_inside_a_run_counts_no_longer(attack_report):
    got, control = await ended_inside(brake=True), await ended_inside(brake=False)
    attack_report("consent: answers after a consent had ended", got=got, control=control, of=5, unit="answers")
    assert (got, control) == (0, 5)


async def watched(*, least):
    """Somebody reads the count in the catalogue before and after each of nine withdrawals; how many show."""
    house = await Clinic().ready(range(45))
    seen = 0
    for patient in range(9):
        before = await house.renew(least)
        await house.withdraw(patient)
        after = await house.renew(least)
        seen += (after.edition, after.counts) != (before.edition, before.counts)
    return seen


async def test_a_count_that_is_watched_tells_of_no_single_withdrawal(monkeypatch, attack_report):
    got = await watched(least=10)
    monkeypatch.setattr(publishing, "TENS", 1)
    control = await watched(least=1)
    attack_report(
        "consent: withdrawals seen in the count of a dataset", got=got, control=control, of=9, unit="patients"
    )
    assert (got, control) == (0, 9)


# --- floods ------------------------------------------------------------------------------------------------------


class Million:
    """A database that has so many consents, three of each patient, and makes them up as they are read."""

    def __init__(self, number):
        self.number = number
        self.models = [reading.read(one, 1) for one in self._said()]

    def _said(self):
        marketing = [{"purpose": [{"system": ACT_REASON, "code": "HMARKT"}]}]
        return document(0), document(0, provision=marketing), document(0, period={"end": "2030-01-01"})

    def version(self, number):
        patient, at = divmod(number - 1, 3)
        end = (ALWAYS_SINCE, seconds(NOW) + 86_400 * (1 + patient % 3650))
        spans = (end, *self.models[at].spans[1:])
        return ConsentVersion(f"{number}", f"{patient}", f"c{at}", 1, number, "", "", f"s{at}", spans)

    def find(self, collection, *, order_by="", after=0, limit=0, **_):
        assert (collection, order_by) == (VERSIONS, "number")
        return [self.version(number) for number in range(after + 1, min(after + limit, self.number) + 1)]

    def get(self, collection, identity):
        if collection is SHAPES:
            return ConsentShape(identity, self.models[int(identity[1:])].tree)
        assert collection is PATIENTS
        return ConsentPatient(identity, identity.rjust(64, "0"))


ALWAYS_SINCE = 0


@pytest.mark.parametrize("number", [30_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_million_consents_are_decided_in_bounded_time_and_memory(number, attack_report):
    """Each patient has three consents, of which one has a date of its own; the control decides one by one."""
    flood, register = Million(number), Register()
    tracemalloc.start()
    register.follow(flood)
    used = tracemalloc.get_traced_memory()[0] / number
    tracemalloc.stop()
    asked = editions.request(ConsentTerms("person"), PURPOSE, None, {ConsentParty.HOLDER: HOLDER}, frozenset())
    began = time.process_time()
    found = register.reached(asked, "question", seconds(NOW), number, after_death=False)
    took = 1e6 * (time.process_time() - began) / number
    assert len(found.patients) == -(-number // 3)
    sample = [register.said(str(patient)) for patient in range(1_000)]
    began = time.process_time()
    answers = [deciding.findings(one, seconds(NOW), asked)[0].answer for one in sample]
    alone = 1e6 * (time.process_time() - began) / sum(map(len, sample))
    assert set(answers) == {ConsentAnswer.ALLOW}
    attack_report("consent: processor time of a question to 1e6 consents", got=took, control=alone, unit="s")
    assert took < 20
    assert took < alone
    assert used < 2_000  # bytes for each consent


# --- hospitals that cheat ----------------------------------------------------------------------------------------


async def counted_anyway(house, job):
    """A use of a connector without the condition, which states honestly whom it counts."""
    house.brakes = replace(house.brakes, consent=False)
    house.build()
    answer = await house.ask(await house.start(job), job, task=task(job))
    assert not isinstance(answer, str)


async def dated_back(monkeypatch, how, *, brake):
    """A hospital counts a patient who had not consented, and afterwards has her consent look older than the use.

    It says that it was given earlier, or moves its number below the edition. How often replay finds nothing.
    """
    if not brake:  # replay would believe times, and numbers as they stand in the database
        monkeypatch.setattr(replaying.Replay, "_altered", lambda self, entry: False)
    house = await Clinic().ready(range(5, 40))
    await house.say(document(39, version=2), document(38, version=2))
    await house.say(document(0, "deny"))
    await house.open()
    await counted_anyway(house, "urn:job:1")
    house.clock.advance(-86_400.0)
    await house.say(document(0, version=2, dateTime="2026-01-01T00:00:00Z"))
    house.clock.advance(86_400.0)
    if how == "number":
        await house.database.write(_swap)
    return not (await house.replay())[0]


def _swap(tx):
    """Put the later consent of a patient under the number of one that was recorded long before, and the other way."""
    mine, other = (
        next(one for one in tx.find(VERSIONS, where={"patient": patient}, limit=9) if one.version == version)
        for patient, version in (("0", 2), ("39", 2))
    )
    tx.delete(VERSIONS, mine)
    tx.delete(VERSIONS, other)
    tx.insert(VERSIONS, replace(mine, number=other.number))
    tx.insert(VERSIONS, replace(other, number=mine.number))
    denial = next(one for one in tx.find(VERSIONS, where={"patient": "0"}, limit=9) if one.version == 1)
    tx.replace(VERSIONS, denial, replace(denial, shape=""))


@pytest.mark.parametrize("how", ["time", "number"])
async def test_a_consent_that_a_hospital_dates_back_covers_no_earlier_use(monkeypatch, attack_report, how):
    got = int(await dated_back(monkeypatch, how, brake=True))
    control = int(await dated_back(monkeypatch, how, brake=False))
    if how == "number":
        attack_report("consent: uses covered by a consent moved back", got=got, control=control, of=1, unit="uses")
        assert control == 1
    assert got == 0


class Desk:
    """Where the consents of wallets go at this hospital; `drops` throws withdrawals away."""

    def __init__(self, clinic, *, drops):
        self.clinic, self.drops = clinic, drops

    def salt(self, tx, patient, fresh):
        return signed.salt_of(tx, patient, fresh)

    def accept(self, tx, consent):
        recording.record(tx, self.clinic.office(), [document(consent.patient, version=consent.number)])

    def withdraw(self, tx, withdrawal):
        if not self.drops:
            recording.withdraw(tx, self.clinic.office(), withdrawal.patient)


async def treated(*, drops):
    """A hospital whose patients have wallets, on the database of its connector; five of them have withdrawn."""
    clinic = await Clinic().ready(range(5, 40))
    hospital = Hospital(did=HOLDER)
    hospital.database = clinic.database
    hospital.desk = PatientDesk(hospital.issuer, Desk(clinic, drops=drops))
    await hospital.publish()
    told = []
    for number in FIVE:
        patient = await Patient(hospital, seed=bytes([number]) * 16).receive(await hospital.invite(str(number)))
        given = await patient.consent()
        told.append((patient, given["id"]))
    await clinic.open()
    return clinic, hospital, told


async def convicted(clinic, hospital, number, acknowledged):
    """Whether a patient proves from what she has, and the log, that a use after her withdrawal counted her."""
    signed = jose.split(acknowledged, 4096)
    if not signed.holds(hospital.issuer.key.public):
        return False
    salt = (await clinic.database.read(lambda tx: tx.get(PATIENTS, str(number)))).salt  # she has it from her receipt
    entry = [one for one in await clinic.log() if one.kind == "use.admitted"][-1]
    use, stated = str(entry.facts["transfer"]), str(entry.facts["patients"])
    kept = await clinic.database.read(lambda tx: tx.get(COUNTED, f"{use} {stated}"))
    proof = commitments.prove(replaying.leaves_of(kept), commitments.leaf(bytes.fromhex(salt), use))
    proved = commitments.holds(proof, bytes.fromhex(salt), use, entry.facts["leaves"], stated)
    return proved and proof.included and signed.payload["iat"] <= instant(entry.time).timestamp()


async def test_a_hospital_that_drops_a_withdrawal_is_convicted_by_what_it_has_signed(attack_report):
    """It acknowledges five withdrawals, and counts the patients all the same; the control has no signature of it."""
    found = {}
    for drops in (True, False):
        clinic, hospital, told = await treated(drops=drops)
        signed = [(await patient.withdraw(given))["acknowledgement"] for patient, given in told]
        clinic.clock.advance(30 * 86_400.0)
        await clinic.ask(await clinic.start())
        assert clinic.counted() & set(FIVE) == (set(FIVE) if drops else set())
        forged = [one[:-8] + "AAAAAAAA" for one in signed]
        found[drops] = [
            sum([await convicted(clinic, hospital, at, one[at]) for at in FIVE]) for one in (signed, forged)
        ]
    (proved, unsigned), honest = found[True], found[False]
    attack_report(
        "consent: dropped withdrawals that can be denied", got=5 - proved, control=5 - unsigned, of=5, unit="patients"
    )
    assert (proved, unsigned) == (5, 0)
    assert honest == [0, 0]  # nobody convicts a hospital that has kept its word


async def planted(*, brake):
    """Of uses of a connector without the condition, with honest commitments, those that replay does not find."""
    missed = total = 0
    for seed in range(40, 43):
        told = await History(seed, planted=True).run(60)
        total += len(told.wrong)
        missed += len(told.missed if brake else told.wrong)
        assert told.invented == set()
    return missed, total


async def test_each_use_of_a_connector_without_the_condition_is_found(attack_report):
    (got, total), (control, _) = await planted(brake=True), await planted(brake=False)
    attack_report("consent: planted uses that replay misses", got=got, control=control, of=total, unit="uses")
    assert got == 0
    assert control == total > 5


async def ignored(*, brake):
    """A hospital counts five patients who have said no to everything; how many of its uses replay does not find."""
    house = await Clinic().ready(range(5, 40))
    await house.say(*(document(one, "deny") for one in FIVE))
    await house.open()
    for number in FIVE:
        await counted_anyway(house, f"urn:job:{number}")
    found, examined = await house.replay()
    assert examined == 5
    return 5 - len({one.use for one in found}) if brake else examined


async def test_a_hospital_that_ignores_a_no_is_found_in_each_use(attack_report):
    got, control = await ignored(brake=True), await ignored(brake=False)
    attack_report("consent: uses against a no that replay misses", got=got, control=control, of=5, unit="uses")
    assert (got, control) == (0, 5)


# --- an authority that is away -----------------------------------------------------------------------------------


async def test_a_withdrawal_counts_while_the_authority_is_down_and_its_commitment_comes_later(attack_report):
    """The authority is down for a day. The control is a hospital that would wait for it."""
    clinic, hospital, told = await treated(drops=False)
    authority, salt = Hospital("https://wallet.authority.example", "did:web:authority.example", 3), b"s" * 32
    acknowledged = [(await patient.withdraw(given, salt))["acknowledgement"] for patient, given in told]
    await clinic.ask(await clinic.start())
    got = len(clinic.counted() & set(FIVE))
    authority.now = hospital.now + DAY
    for at, (_, given) in enumerate(told):
        text = holder.commitment_of({"consent": given}, salt)
        kept = await authority.database.write(
            lambda tx, text=text: authority_commitments.commit(tx, authority.issuer.did, text, authority.now)
        )
        stated = jose.split(statement(kept, authority.issuer.did, authority.issuer.key), 4096).payload
        signed = jose.split(acknowledged[at], 4096).payload
        assert stated["commitment"] == signed["commitment"]  # one withdrawal, told to both
        assert signed["iat"] == int(hospital.now.timestamp()) < instant(stated["time"]).timestamp()
    waiting, _, _ = await treated(drops=True)
    await waiting.ask(await waiting.start())
    control = len(waiting.counted() & set(FIVE))
    attack_report(
        "consent: patients counted while the authority is down", got=got, control=control, of=5, unit="patients"
    )
    assert (got, control) == (0, 5)
