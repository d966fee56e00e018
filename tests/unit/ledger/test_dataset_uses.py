import pytest

from medspace.ledger import audit
from medspace.ledger.dataset_uses import DatasetUse, users_of, uses_of
from tests.unit.ledger.story import COMPANY, NORTH, RUN, agreement_of, honest, release, transfer_of

ALICE, BERTA = f"actor:{'a' * 32}", f"actor:{'b' * 32}"


def said(space, asset=""):
    return uses_of(audit.readable(space.bundle(NORTH)), asset)


def test_a_use_is_told_with_its_agreement_its_purposes_and_what_left():
    space = honest()
    (use,) = said(space)
    assert (use.transfer, use.asset, use.user) == (transfer_of(NORTH), "heart", COMPANY)
    assert (use.agreement, use.kind) == (agreement_of(NORTH), "medspace:train")
    assert (use.admitted, use.released, use.held_back) == (2, 2, 0)
    assert (use.purposes, use.runs, use.coordinator) == ({"dpv:ResearchAndDevelopment"}, {RUN}, "")
    assert use.index == space.find(NORTH, "use.admitted")
    assert use.first == space.logs[NORTH][use.index].time
    assert use.last == space.logs[NORTH][space.find(NORTH, "use.released", 1)].time


@pytest.mark.parametrize(("asset", "count"), [("", 1), ("heart", 1), ("lung", 0)])
def test_one_dataset_is_asked_for(asset, count):
    assert len(said(honest(), asset)) == count


def test_who_let_answers_go_or_held_them_back_is_named():
    space = honest()
    first, second = (space.find(NORTH, "use.admitted", number) for number in (0, 1))
    admission = space.logs[NORTH][first].facts["admission"]
    other = space.logs[NORTH][second].facts["admission"]
    space.edit(NORTH, space.find(NORTH, "use.released"), by=ALICE)
    space.drop(NORTH, space.find(NORTH, "use.released", 1))
    space.note(NORTH, "use.approved", admission=admission, by=BERTA)
    space.note(NORTH, "use.withheld", admission=other, code="gate.person", by=ALICE)
    (use,) = said(space)
    assert use.actors == {ALICE, BERTA}
    assert (use.released, use.held_back) == (1, 1)


def test_who_had_an_answer_made_anew_is_named_beside_who_had_let_it_go_before():
    space = honest()
    admission = space.logs[NORTH][space.find(NORTH, "use.admitted")].facts["admission"]
    space.note(NORTH, "use.approved", admission=admission, by=ALICE)
    space.note(NORTH, "use.changed", admission=admission, by=BERTA, left_out=["glm.quality"])
    (use,) = said(space)
    assert use.actors == {ALICE, BERTA}


def test_uses_of_others_come_apart_and_the_latest_first():
    space = honest()
    release(space, NORTH, 3)
    late = space.find(NORTH, "use.admitted", 2)
    space.edit(NORTH, late, transfer="urn:transfer:late", coordinator="did:web:leader.example")
    facts = {name: fact for name, fact in space.logs[NORTH][late].facts.items() if name != "run"}
    old = space.logs[NORTH][late]
    space.logs[NORTH][late] = type(old)(old.kind, old.time, old.actor, facts)
    newest, oldest = said(space)
    assert (newest.transfer, newest.coordinator, newest.runs) == (
        "urn:transfer:late",
        "did:web:leader.example",
        set(),
    )
    assert oldest.admitted == 2


def test_the_uses_of_one_participant_add_up_under_its_agreements():
    def use(number, user, agreement, asset, day):
        one = DatasetUse(f"urn:{number}", asset, user, agreement, "medspace:train", f"2026-01-0{day}", number)
        one.admitted, one.released, one.held_back, one.last = 3, 2, 1, f"2026-01-0{day + 1}"
        one.purposes = {f"p{number}"}
        return one

    uses = [use(1, COMPANY, "a", "heart", 1), use(2, NORTH, "b", "heart", 5), use(3, COMPANY, "c", "lung", 3)]
    latest, other = users_of([*uses, use(4, COMPANY, "a", "heart", 2)])
    assert (latest.user, latest.uses, latest.first, latest.last) == (NORTH, 1, "2026-01-05", "2026-01-06")
    assert (other.user, other.uses, other.agreements, other.datasets) == (COMPANY, 3, ("a", "c"), ("heart", "lung"))
    assert (other.admitted, other.released, other.held_back, other.purposes) == (9, 6, 3, ("p1", "p3", "p4"))
    assert (other.first, other.last) == ("2026-01-01", "2026-01-04")
    assert users_of([]) == []
