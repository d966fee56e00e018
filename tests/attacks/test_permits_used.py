"""A data permit is stretched: used by somebody whom it does not name, for other data, other ends, after its end.

Real usage control of a data holder; the control is the same without the condition that looks at permits.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from medspace.app.features.permits.kinds import KINDS
from medspace.app.features.permits.people import NamedPeople
from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.conditions import PERMITTED
from medspace.core.actors import ActorKind
from medspace.core.clock import stamp
from medspace.core.credentials import Proved
from medspace.core.errors import MedspaceError
from medspace.core.usage import Grant
from medspace.ledger import kinds
from medspace.services.permits import rules, service
from medspace.services.permits.conditions import PermitCondition
from medspace.services.permits.credential import claims_of
from medspace.services.permits.errors import PermitDecisionError, PersonNotNamedError
from medspace.services.permits.model import CASES, Application, PermitCase, PermitDataset, PermitState, Side
from medspace.services.tokens.model import ACTORS, KnownActor
from tests.unit.connector.uses import ASSET, HOLDER, NOW, PURPOSE, USER, House, call

BODY, OTHER = "did:web:body.example", "did:web:other.example"
DAY = timedelta(days=1)
OPTED_OUT = ("0", "1")
LAW = "Health Data Use Act, section 7"

kinds.learn(KINDS)  # as whoever loads the features does


class Unchecked(PermitCondition):
    """Keeps the route, and looks at no permit."""

    def _decided(self, tx, made, request):
        return PERMITTED, None

    def admit(self, tx, visit):
        return PERMITTED, Grant()


def application(**changes):
    asked = Application(
        datasets=(PermitDataset(HOLDER, ASSET),),
        people=("Ada Example", "Bo Example"),
        purposes=(PURPOSE,),
        since=stamp(NOW - DAY),
        until=stamp(NOW + 365 * DAY),
        title="Hearts",
        summary="A model of hearts.",
        safeguards="Only sums leave.",
    )
    return replace(asked, **changes)


def permit(*, until=NOW + DAY, since=NOW - DAY, **changes):
    """What a data holder knows of a permit that the body has granted."""
    asked, granted = application(), rules.granting(application(), "It serves science.", NOW)
    decision = replace(granted, **changes)
    time = stamp(NOW)
    case = PermitCase("urn:case", Side.BODY, USER, BODY, PermitState.GRANTED, asked, time, time, decision=decision)
    claims = {name: (one,) if isinstance(one, str) else tuple(one) for name, one in claims_of(case).items()}
    return Proved("DataPermit", BODY, tuple(sorted(claims.items())), since, until)


class Hospital(House):
    """A house whose rows pass by permit, and the permits that its users have proved."""

    def __init__(self, condition=PermitCondition, *, said=True):
        self.proved, self.said = {USER: (permit(),)}, said
        super().__init__(more=[condition], route="permit")

    def facts(self, tx, did):
        return replace(super().facts(tx, did), credentials=self.proved.get(did, ()))

    async def used(self):
        """Begin a use and ask it one step: "" where an answer leaves, else the code of the refusal."""
        await self.agree()
        if self.said:
            await self.database.write(
                lambda tx: service.opt_out(tx, HOLDER, ASSET, "person", OPTED_OUT, self.clock.now(), "")
            )
        try:
            await self.control.step(call(await self.start()))
        except MedspaceError as error:
            return getattr(error, "facts", {}).get("decision", error.code)
        return ""

    def of_who_opted_out(self):
        """The persons who opted out on whose rows the last answer was made."""
        table = self.source.open(self.source.opened[-1])
        return {str(one) for one in table.who} & set(OPTED_OUT)


def with_permits(*permits, did=USER):
    def change(house):
        house.proved = {did: permits}

    return change


ATTACKS = {
    "nobody has a permit": ("permit.none", with_permits()),
    "another member has one": ("permit.none", with_permits(permit(), did=OTHER)),
    "a type that looks alike": ("permit.none", with_permits(replace(permit(), type="Datapermit"))),
    "for another dataset": ("permit.dataset", with_permits(permit(datasets=(PermitDataset(HOLDER, "lungs"),)))),
    "for the same name elsewhere": ("permit.dataset", with_permits(permit(datasets=(PermitDataset(OTHER, ASSET),)))),
    "for another purpose": ("permit.purpose", with_permits(permit(purposes=("ehds:Education",)))),
    "ended a second ago": ("permit.over", with_permits(permit(until=NOW - timedelta(seconds=1)))),
    "not begun": ("permit.over", with_permits(permit(since=NOW + DAY, until=NOW + 2 * DAY))),
    "halves of two permits": (
        "permit.over",
        with_permits(permit(datasets=(PermitDataset(HOLDER, "lungs"),)), permit(until=NOW - DAY / 2)),
    ),
}


async def let_through(condition):
    """How many of the uses that no permit covers get an answer."""
    got = 0
    for _, change in ATTACKS.values():
        house = Hospital(condition)
        change(house)
        got += await house.used() == ""
    return got


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_no_permit_covers_has_its_own_code(attack):
    code, change = ATTACKS[attack]
    house = Hospital()
    change(house)
    assert await house.used() == code
    assert house.source.opened == []


async def test_none_of_them_gets_an_answer(attack_report):
    got = await let_through(PermitCondition)
    attack_report("data permits: uses that none covers", got=got, of=len(ATTACKS), unit="uses")
    assert got == 0


async def test_without_the_condition_each_gets_one(attack_report):
    got = await let_through(Unchecked)
    attack_report("data permits: uses that none covers", control=got, of=len(ATTACKS), unit="uses")
    assert got == len(ATTACKS)


async def revoked_in_flight(condition):
    """Whether an answer leaves whose permit is revoked while the engine computes."""
    house = Hospital(condition)
    house.engine.before = house.proved.clear
    return await house.used()


async def test_an_answer_in_flight_stays_when_its_permit_is_revoked(attack_report):
    code = await revoked_in_flight(PermitCondition)
    attack_report("data permits: answers in flight of one that is revoked", got=code == "", of=1, unit="answers")
    assert code == "permit.none"


async def test_without_the_condition_it_leaves(attack_report):
    code = await revoked_in_flight(Unchecked)
    attack_report("data permits: answers in flight of one that is revoked", control=code == "", of=1, unit="answers")
    assert code == ""


async def test_who_opted_out_is_in_no_answer(attack_report):
    house = Hospital()
    assert await house.used() == ""
    got = house.of_who_opted_out()
    attack_report("data permits: persons read who opted out", got=len(got), of=len(OPTED_OUT), unit="persons")
    assert got == set()


async def test_without_the_condition_they_are(attack_report):
    house = Hospital(Unchecked)
    assert await house.used() == ""
    got = house.of_who_opted_out()
    attack_report("data permits: persons read who opted out", control=len(got), of=len(OPTED_OUT), unit="persons")
    assert got == set(OPTED_OUT)


async def test_a_permit_that_names_the_law_opens_their_rows_as_well():
    house = Hospital()
    house.proved = {USER: (permit(opt_outs=LAW),)}
    assert await house.used() == ""
    assert house.of_who_opted_out() == set(OPTED_OUT)


async def test_one_that_names_a_law_does_not_help_another_that_covers_the_use():
    """Two permits are not one: the rows stay out unless the permit that covers the use names the law."""
    house = Hospital()
    house.proved = {USER: (permit(), permit(opt_outs=LAW, datasets=(PermitDataset(HOLDER, "lungs"),)))}
    assert await house.used() == ""
    assert house.of_who_opted_out() == set()


@pytest.mark.parametrize("opt_outs", ["", LAW])
async def test_where_nobody_has_said_who_opted_out_nothing_passes(opt_outs):
    house = Hospital(said=False)
    house.proved = {USER: (permit(opt_outs=opt_outs),)}
    assert await house.used() == "permit.opt_outs_unsaid"


@pytest.mark.parametrize("people", [("Eve Example",), ("Ada Example", "Eve Example"), ("ada example",), ()])
async def test_nobody_is_named_for_whom_nothing_was_applied(people):
    """A data holder sees the member, not the person; whom a permit names is checked where it is made."""
    asked = application()
    time = stamp(NOW)
    case = PermitCase("urn:case", Side.BODY, USER, BODY, PermitState.APPLIED, asked, time, time)
    with pytest.raises(PermitDecisionError):
        rules.check_decision(case, replace(rules.granting(asked, "Yes.", NOW), people=people), NOW)
    assert "Ada" not in str(rules.public(replace(case, decision=rules.granting(asked, "Yes.", NOW)), "User", NOW))


# --- who sits at the applicant's connector ---------------------------------------------------------------------

BEGUN = "data permits: uses begun at the applicant by persons whom none names"
PERSONS = {
    "another person": "Eve Example",
    "applied for, not granted": "Bo Example",
    "named by a permit that is over": "Cy Example",
    "named for another dataset": "Di Example",
    "a letter that looks alike": "Аda Example",
}


def granted(name, people, until=NOW + DAY, dataset=ASSET):
    """A case at the applicant, granted to these people."""
    asked = application(people=people, datasets=(PermitDataset(HOLDER, dataset),))
    decision = replace(rules.granting(asked, "Yes.", NOW), until=stamp(until))
    time = stamp(NOW)
    return PermitCase(name, Side.APPLICANT, USER, BODY, PermitState.GRANTED, asked, time, time, decision=decision)


class Applicant:
    """The connector of a member with permits, and whoever sits at it."""

    def __init__(self, house):
        self.house, self.looks = house, NamedPeople(house.clock)

    @classmethod
    async def ready(cls, *cases):
        house = Hospital()
        await house.agree()
        kept = cases or (
            granted("1", ("Ada Example",)),
            granted("2", ("Cy Example",), until=NOW),
            granted("3", ("Di Example",), dataset="lungs"),
        )

        def keep(tx):
            for one in kept:
                tx.insert(CASES, one)

        await house.database.write(keep)
        return cls(house)

    async def begins(self, name, kind=ActorKind.PERSON, looks=None):
        """Whether somebody of this name begins a use."""

        def work(tx):
            actor = tx.find(ACTORS, where={"kind": kind.value, "named": name})
            by = actor[0].id if actor else f"actor:{name}"
            if not actor:
                tx.insert(ACTORS, KnownActor(by, kind, name, stamp(NOW)))
            (agreement,) = tx.find(AGREEMENTS)
            (looks or self.looks)(tx, agreement, by)

        try:
            await self.house.database.write(work)
        except PersonNotNamedError:
            return False
        return True


async def begun(looks=None):
    applicant = await Applicant.ready()
    return sum([await applicant.begins(name, looks=looks) for name in PERSONS.values()])


async def test_whom_no_permit_names_begins_no_use(attack_report):
    got = await begun()
    attack_report(BEGUN, got=got, of=len(PERSONS), unit="uses")
    assert got == 0


async def test_where_nobody_looks_each_of_them_does(attack_report):
    got = await begun(lambda tx, agreement, by: None)
    attack_report(BEGUN, control=got, of=len(PERSONS), unit="uses")
    assert got == len(PERSONS)


@pytest.mark.parametrize("name", ["Ada Example", " ada  EXAMPLE", "Ada\u3000Example", "Ａda Example"])
async def test_a_name_is_the_same_however_it_is_typed(name):
    assert await (await Applicant.ready()).begins(name)


async def test_the_owner_and_programs_are_no_persons_and_without_a_permit_the_holder_refuses():
    applicant = await Applicant.ready()
    assert await applicant.begins("cron", ActorKind.PROGRAM)
    assert await applicant.begins("owner", ActorKind.OWNER)
    none = await Applicant.ready(granted("1", ("Ada Example",), until=NOW))
    assert await none.begins("Eve Example")
