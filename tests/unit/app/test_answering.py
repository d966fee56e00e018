"""What a dry run of a training says of hospitals that do not answer as much as it may ask."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.features.training.answering import contract_warnings, question_warnings
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, ProcessFailure, Role, Transfer, TransferState
from medspace.policy import templates
from medspace.policy.model import UseRequest
from medspace.runs.model import Seat

USER, SITE = "did:web:user.example", "did:web:clinic.example"
SEAT = Seat(SITE, "urn:agreement:1")
TIME = "2026-01-01T00:00:00.000Z"
ASKED = UseRequest(
    action="medspace:train",
    assignee=USER,
    purpose="ehds:HealthcareScientificResearch",
    time=datetime(2026, 6, 1, tzinfo=UTC),
    protection="masked-sums",
    noise="exact",
)


def answered(questions, *, exact=False):
    return [str(one) for one in question_warnings(questions, exact=exact)]


async def warned(asked=ASKED, *, uses=0, failure=None, **terms):
    database = MemoryDatabase()
    parties = {"@id": SEAT.agreement, "@type": "Agreement", "assigner": SITE, "assignee": USER, "target": "d"}
    policy = templates.build("train-only", offer_id="urn:offer:1", **terms) | parties
    agreement = Agreement(SEAT.agreement, "urn:n", SITE, USER, "d", policy, "sha256:" + 64 * "0", TIME, TIME)

    def work(tx):
        tx.insert(AGREEMENTS, agreement)
        for number in range(uses):
            tx.insert(TRANSFERS, use(number, failure))

    await database.write(work)
    return [str(one) for one in await database.read(lambda tx: list(contract_warnings(tx, SEAT, asked)))]


def use(number, failure):
    return Transfer(
        id=f"urn:use:{number}",
        role=Role.CONSUMER,
        state=TransferState.COMPLETED,
        counterparty=SITE,
        address="https://clinic.example/dsp",
        peer_pid=None,
        agreement=SEAT.agreement,
        dataset="d",
        format="medspace:train",
        created=TIME,
        updated=TIME,
        failure=failure,
    )


async def test_what_every_hospital_answers_needs_no_warning():
    assert await warned(count=2, uses=1) == []
    assert answered(30) == answered(None, exact=True) == []


def test_more_questions_than_one_use_answers_are_said():
    (told,) = answered(31)
    assert "it may put 31 questions, and a hospital answers at most 30 in one use" in told


def test_the_year_of_a_small_hospital_is_said_where_answers_are_exact():
    (told,) = answered(25, exact=True)
    assert "with fewer than 250 patients it answers fewer than 25 questions a year" in told


@pytest.mark.parametrize("uses", [2, 3])
async def test_a_contract_that_is_used_up_is_said(uses):
    (told,) = await warned(count=2, uses=uses)
    assert f"the contract with {SITE} allows 2 uses, and they were made" in told


async def test_a_contract_that_its_holder_ended_is_said():
    (told,) = await warned(uses=1, failure=ProcessFailure("agreement.ended", ("it is over",), "peer"))
    assert f"{SITE} has ended its contract" in told


@pytest.mark.parametrize(
    ("changes", "terms", "said"),
    [
        (
            {"purpose": "ehds:PublicHealthSurveillance"},
            {"purposes": ["ehds:HealthcareScientificResearch"]},
            "purpose",
        ),
        ({"time": datetime(2027, 6, 1, tzinfo=UTC)}, {"until": "2026-12-31"}, "2027-06-01"),
        ({}, {"epsilon": "1", "delta": "0.000001"}, "noise"),
        ({"protection": "coordinator-sees-sums"}, {}, "protection"),
        ({"holders": ("did:web:b.example",)}, {"holders": ["did:web:c.example"]}, "did:web:c.example"),
        ({"region": "FR"}, {"regions": ["DE"]}, "DE"),
    ],
)
async def test_a_contract_that_does_not_allow_the_task_is_said(changes, terms, said):
    (told,) = await warned(replace(ASKED, **changes), **terms)
    assert told.startswith(f"Warning: its contract does not let {SITE} take part. Required: ")
    assert said in told
    assert ".." not in told
