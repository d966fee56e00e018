"""Permits: what an application lacks, what may be granted, what each side hears, what a permit covers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.features.permits.kinds import KINDS
from medspace.core.clock import stamp
from medspace.core.credentials import Proved
from medspace.core.errors import MedspaceError
from medspace.ledger import kinds
from medspace.policy.model import UseRequest
from medspace.services.permits import rules, service
from medspace.services.permits.credential import claims_of, covering, dataset_url
from medspace.services.permits.model import Application, PermitCase, PermitDataset, PermitState, Side

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
USER, BODY, CLINIC, MALLORY = (f"did:web:{name}.example" for name in ("user", "body", "clinic", "mallory"))
PURPOSE = "ehds:HealthcareScientificResearch"
CASE = "urn:uuid:00000000-0000-4000-8000-000000000001"
HEARTS = PermitDataset(CLINIC, "hearts #1")
ASKED = Application(
    datasets=(HEARTS, PermitDataset(CLINIC, "lungs")),
    people=("Ada Example", "Bo Example"),
    purposes=(PURPOSE,),
    since=stamp(NOW),
    until=stamp(NOW + 365 * DAY),
    title="Hearts",
    summary="A model of hearts.",
    safeguards="Only sums leave.",
)

kinds.learn(KINDS)  # as whoever loads the features does


def case(side=Side.APPLICANT, **changes):
    made = PermitCase(CASE, side, USER, BODY, PermitState.APPLIED, ASKED, stamp(NOW), stamp(NOW))
    return replace(made, **changes)


def message(one):
    return service.read_message(service.msgspec.json.encode(service.message_of(one)))


class Sides:
    """The two records of a case, and what goes between them."""

    def __init__(self):
        self.applicant, self.body = MemoryDatabase(), MemoryDatabase()

    async def applied(self):
        await self.applicant.write(lambda tx: service.apply(tx, USER, case(), ""))
        return await self.to_body()

    async def to_body(self, said=None, caller=USER):
        said = said or message(await self.applicant.read(lambda tx: service.known(tx, CASE)))
        return await self.body.write(lambda tx: service.hear(tx, BODY, said, caller, NOW))

    async def to_applicant(self, said=None, caller=BODY):
        said = said or message(await self.body.read(lambda tx: service.known(tx, CASE)))
        return await self.applicant.write(lambda tx: service.hear(tx, USER, said, caller, NOW))

    async def ask(self, text="Who?"):
        return await self.body.write(lambda tx: service.ask(tx, BODY, CASE, text, NOW, ""))

    async def answer(self, text="We."):
        return await self.applicant.write(lambda tx: service.answer(tx, USER, CASE, text, NOW, ""))

    async def decide(self, **changes):
        decision = replace(rules.granting(ASKED, "It serves.", NOW), **changes)
        return await self.body.write(lambda tx: service.decide(tx, BODY, CASE, decision, lambda _: "urn:permit", ""))


async def code_of(work):
    with pytest.raises(MedspaceError) as caught:
        await work
    return caught.value.code


async def test_both_sides_come_to_the_same_state_whatever_comes_twice_or_late():
    sides = Sides()
    assert (await sides.applied()).state is PermitState.APPLIED
    early = message(await sides.applicant.read(lambda tx: service.known(tx, CASE)))
    await sides.ask()
    assert (await sides.to_applicant()).state is PermitState.QUESTIONED
    await sides.answer()
    assert (await sides.to_body()).state is PermitState.APPLIED
    assert (await sides.to_body(early)).answers == ("We.",)
    await sides.decide()
    for _ in range(2):
        heard = await sides.to_applicant()
        assert (heard.state, heard.credential) == (PermitState.GRANTED, "urn:permit")
    await sides.body.write(lambda tx: service.revoke(tx, BODY, CASE, "Over.", NOW, ""))
    assert (await sides.to_applicant()).state is PermitState.REVOKED


async def test_what_was_said_cannot_be_said_otherwise_later():
    sides = Sides()
    await sides.applied()
    other = case(application=replace(ASKED, people=("Eve",)), own=2)
    assert await code_of(sides.to_body(message(other))) == "permits.rewritten"
    await sides.ask()
    await sides.to_applicant()
    await sides.answer()
    await sides.to_body()
    assert await code_of(sides.to_body(message(case(answers=("No.",), own=9)))) == "permits.rewritten"
    await sides.decide()
    await sides.to_applicant()
    more = rules.granting(ASKED, "Another reason.", NOW)
    forged = case(Side.BODY, questions=("Who?",), decision=more, own=9)
    assert await code_of(sides.to_applicant(message(forged))) == "permits.rewritten"


async def test_nobody_else_speaks_in_a_case():
    sides = Sides()
    await sides.applied()
    assert await code_of(sides.to_body(message(case(own=2)), MALLORY)) == "permits.unknown"
    granted = case(Side.BODY, decision=rules.granting(ASKED, "Yes.", NOW), own=5)
    assert await code_of(sides.to_applicant(message(granted), MALLORY)) == "permits.unknown"
    assert (await sides.to_body(message(granted), USER)).state is PermitState.APPLIED  # an applicant grants nothing


async def test_an_applicant_cannot_flood_an_access_body():
    body = MemoryDatabase()
    for number in range(service.MOST_OPEN + 1):
        said = message(case(id=f"urn:uuid:00000000-0000-4000-8000-{number:012}"))
        work = body.write(lambda tx, said=said: service.hear(tx, BODY, said, USER, NOW))
        if number < service.MOST_OPEN:
            await work
    assert await code_of(work) == "permits.state"


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"case":"x","own":1}', b'{"case":"%b","own":0}' % CASE.encode()]
)
def test_what_is_no_message_is_refused(content):
    with pytest.raises(MedspaceError) as caught:
        service.read_message(content)
    assert caught.value.code == "permits.message"


@pytest.mark.parametrize(
    "changes",
    [
        {"people": ("Eve",)},
        {"people": ()},
        {"datasets": (PermitDataset(MALLORY, "hearts #1"),)},
        {"purposes": ("dpv:Marketing",)},
        {"until": stamp(NOW + 366 * DAY)},
        {"since": stamp(NOW - DAY)},
        {"until": stamp(NOW)},
        {"reasons": " "},
        {"fees": "12 EUR"},
        {"fees": "-1.00 EUR"},
        {"conditions": ("x" * 2_001,)},
    ],
)
async def test_no_decision_grants_more_than_was_applied_for(changes):
    sides = Sides()
    await sides.applied()
    assert await code_of(sides.decide(**changes)) == "permits.decision"
    await sides.decide(people=("Ada Example",), fees="1200.00 EUR")


# --- what a permit covers --------------------------------------------------------------------------------------


def permit(**changes):
    decided = replace(case(Side.BODY), decision=replace(rules.granting(ASKED, "Yes.", NOW), **changes))
    listed = {name: (one,) if isinstance(one, str) else tuple(one) for name, one in claims_of(decided).items()}
    return Proved("DataPermit", BODY, tuple(sorted(listed.items())), NOW, NOW + DAY)


def request(**changes):
    return UseRequest(**({"target": "hearts #1", "purpose": PURPOSE, "time": NOW} | changes))


def test_a_permit_covers_its_dataset_its_purpose_and_its_time():
    decision, found = covering([permit()], CLINIC, request())
    assert (decision.permitted, found) == (True, permit())
    assert covering([permit()], CLINIC, request(purpose=None))[0].permitted  # decided once it is known


@pytest.mark.parametrize(
    ("held", "asked", "holder", "code"),
    [
        ([], request(), CLINIC, "permit.none"),
        ([replace(permit(), type="Datapermit")], request(), CLINIC, "permit.none"),
        ([permit()], request(target="hearts"), CLINIC, "permit.dataset"),
        ([permit()], request(), MALLORY, "permit.dataset"),
        ([permit(datasets=(PermitDataset(CLINIC, "lungs"),))], request(), CLINIC, "permit.dataset"),
        ([permit()], request(purpose="dpv:Marketing"), CLINIC, "permit.purpose"),
        ([permit()], request(purpose="nonsense"), CLINIC, "permit.purpose"),
        ([permit()], request(time=NOW + DAY), CLINIC, "permit.over"),
        ([permit()], request(time=NOW - DAY), CLINIC, "permit.over"),
    ],
)
def test_what_it_does_not_cover_has_a_code_of_its_own(held, asked, holder, code):
    decision, found = covering(held, holder, asked)
    assert (decision.code, found) == (code, None)


def test_two_permits_do_not_add_up_to_one():
    other = permit(datasets=(PermitDataset(CLINIC, "lungs"),))
    of_hearts = replace(permit(), until=NOW)
    assert covering([other, of_hearts], CLINIC, request())[0].code == "permit.over"


def test_a_dataset_has_one_name():
    assert dataset_url(HEARTS) == f"{CLINIC}#hearts%20%231"
    assert dataset_url(PermitDataset(CLINIC, "hearts")) != dataset_url(PermitDataset(f"{CLINIC}#hearts", ""))
