"""What a dry run of a training says of hospitals that do not answer as much as it may ask."""

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.features.training.answering import warnings
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, Role, Transfer, TransferState
from medspace.policy import templates
from medspace.runs.model import Seat

USER, SITE = "did:web:user.example", "did:web:clinic.example"
SEAT = Seat(SITE, "urn:agreement:1")
TIME = "2026-01-01T00:00:00.000Z"


async def warned(questions, *, exact=False, count=None, uses=0):
    database, terms = MemoryDatabase(), {} if count is None else {"count": count}
    parties = {"@id": SEAT.agreement, "@type": "Agreement", "assigner": SITE, "assignee": USER, "target": "d"}
    policy = templates.build("train-only", offer_id="urn:offer:1", **terms) | parties
    agreement = Agreement(SEAT.agreement, "urn:n", SITE, USER, "d", policy, "sha256:" + 64 * "0", TIME, TIME)

    def work(tx):
        tx.insert(AGREEMENTS, agreement)
        for number in range(uses):
            tx.insert(TRANSFERS, use(number))

    await database.write(work)
    return [str(one) for one in await database.read(lambda tx: list(warnings(tx, [SEAT], questions, exact=exact)))]


def use(number):
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
    )


async def test_what_every_hospital_answers_needs_no_warning():
    assert await warned(30, count=2, uses=1) == []
    assert await warned(None, exact=True) == []


async def test_more_questions_than_one_use_answers_are_said():
    (told,) = await warned(31)
    assert "it may put 31 questions, and a hospital answers at most 30 in one use" in told


async def test_the_year_of_a_small_hospital_is_said_where_answers_are_exact():
    (told,) = await warned(25, exact=True)
    assert "with fewer than 250 patients it answers fewer than 25 questions a year" in told


@pytest.mark.parametrize("uses", [2, 3])
async def test_a_contract_that_is_used_up_is_said(uses):
    (told,) = await warned(3, count=2, uses=uses)
    assert f"the contract with {SITE} allows 2 uses, and they were made" in told
