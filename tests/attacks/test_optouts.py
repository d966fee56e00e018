"""Opt-outs: hospitals that join their answers, a hospital that asks about strangers, answers that are kept back."""

import msgspec

from medspace.app.features.optouts.kinds import KINDS
from medspace.app.features.permits.kinds import KINDS as PERMIT_KINDS
from medspace.ledger import kinds
from medspace.services.optouts import following, pseudonyms, registry
from medspace.services.optouts.errors import OptOutAnswerError, TooManyAskedError
from medspace.trust import jws
from tests.unit.services.optouts import OTHER, Authority, Hospital

kinds.learn((*KINDS, *PERMIT_KINDS))  # as whoever loads the features does
SHARED = 20  # persons who are patients of both hospitals


async def asked_by_two():
    """Two hospitals with patients in common, half of whom have opted out; what each has sent and heard."""
    authority = Authority()
    await authority.out(*(f"id {number}" for number in range(0, SHARED, 2)))
    found = []
    for did in (None, OTHER):
        hospital = Hospital(authority, *([did] if did else []))
        await hospital.begin({f"{hospital.did} {number}": f"id {number}" for number in range(SHARED)})
        await hospital.refresh()
        found.append(hospital)
    return authority, found


async def joined():
    """Of the persons whom both hospitals are told of, how many somebody finds who has both answers, but no key."""
    _, (here, there) = await asked_by_two()
    assert len(here.heard) == len(there.heard) == SHARED // 2
    same = set(here.said) & set(there.said) | set(here.heard) & set(there.heard)
    return len(same & set(here.heard))


async def test_the_answers_of_two_hospitals_cannot_be_joined(monkeypatch, attack_report):
    got = await joined()
    derived = pseudonyms.hospital_key
    monkeypatch.setattr(pseudonyms, "hospital_key", lambda sealer, did: derived(sealer, "everybody"))
    control = await joined()
    of = SHARED // 2
    attack_report("opt-outs: persons joined out of two answers", got=got, control=control, of=of, unit="persons")
    assert (got, control) == (0, of)


async def test_what_the_logs_say_of_two_hospitals_has_nothing_of_a_person_in_common():
    """The authority's log, which auditors read, and both hospitals' own."""
    authority, hospitals = await asked_by_two()
    texts = [msgspec.json.encode([entry.facts for entry in await authority.log()]).decode()]
    texts += [b" ".join(await one.entries()).decode() for one in hospitals]
    for hospital in hospitals:
        for one in (*hospital.said, *(f"ID{number}" for number in range(SHARED))):
            assert not any(f'"{one}"' in text for text in texts)


async def listed(*, bounded):
    """A hospital of ten patients tries all identifiers there are; how many opt-outs of strangers it learns."""
    authority, everybody = Authority(), [f"id {number}" for number in range(400)]
    await authority.out(*everybody[10:])
    hospital = await Hospital(authority).begin({f"row {number}": everybody[number] for number in range(10)})
    await authority.allow(hospital.did, 12 if bounded else 10**6)
    await hospital.refresh()
    learned = 0
    for stranger in everybody[10:]:  # one by one, so that as few as possible are refused with it
        asked = [pseudonyms.pseudonym(hospital.key, pseudonyms.normal(stranger))]
        try:
            text = await authority.answer(hospital.did, asked)
        except TooManyAskedError:
            continue
        learned += len(msgspec.json.decode(jws.split(text).payload)["out"])
    return learned


async def test_a_hospital_that_asks_about_strangers_learns_of_no_more_than_its_bound(attack_report):
    """Nobody can tell a stranger's pseudonym from a patient's: what is left of the bound is learned, and said."""
    got, control = await listed(bounded=True), await listed(bounded=False)
    attack_report(
        "opt-outs: strangers whose opt-out a hospital learns", got=got, control=control, of=390, unit="persons"
    )
    assert (got, control) == (2, 390)


async def kept_back(monkeypatch, *, brake):
    """Whoever carries the messages hands out an answer that was made before five persons opted out."""
    if not brake:
        monkeypatch.setattr(following, "CLOCKS", registry.HOLDS * 10)
        monkeypatch.setattr(following, "_older", lambda *_: False)
    authority = Authority()
    await authority.out("id 99")
    hospital = await Hospital(authority).begin({f"row {number}": f"id {number}" for number in range(10)})
    one = await hospital.database.read(lambda tx: following.followed(tx, "hearts"))
    (asked,) = following.questions(following.values_of(hospital.sealer, one))
    old = await authority.answer(hospital.did, asked)
    await authority.out(*(f"id {number}" for number in range(5)))
    authority.clock.advance(3_600.0)
    await hospital.refresh()
    one = await hospital.database.read(lambda tx: following.followed(tx, "hearts"))
    try:
        now = authority.clock.now()
        said = following.read_answer(old, one, hospital.did, authority.public, asked, now)
    except OptOutAnswerError:
        return 0
    return 5 - len(said.out)


async def test_an_old_answer_does_not_bring_opted_out_persons_back(monkeypatch, attack_report):
    got, control = await kept_back(monkeypatch, brake=True), await kept_back(monkeypatch, brake=False)
    attack_report("opt-outs: persons let in by an old answer", got=got, control=control, of=5, unit="persons")
    assert (got, control) == (0, 5)
