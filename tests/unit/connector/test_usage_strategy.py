"""Which transfers are started, and what a start gives away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.connector.model import AGREEMENTS, Role
from medspace.connector.ports import TransferEvent
from medspace.connector.usage.strategy import JOB_ENDPOINT
from medspace.connector.usage.tokens import JobTokens
from tests.unit.connector.uses import KIND, LABEL, House, admitted_house, call, transfer_of


async def examined(house: House, kind: str = KIND, job: str = "urn:job:9"):
    transfer = transfer_of(job, "urn:agreement:1", kind)
    return await house.database.read(
        lambda tx: house.strategy.examine(tx, tx.get(AGREEMENTS, "urn:agreement:1"), transfer)
    )


async def test_what_agreement_and_label_allow_may_start():
    house, _ = await admitted_house()
    decision = await examined(house)
    assert decision.permitted
    # What is only known later is left to later points, and said so.
    assert any(premise.satisfied is None for premise in decision.premises)


@pytest.mark.parametrize("kind", ["HttpData-PULL", "HttpData-PUSH", "medspace:download"])
async def test_a_download_under_a_train_only_agreement_is_refused_by_its_prohibition(kind):
    house, _ = await admitted_house()
    decision = await examined(house, kind)
    assert (decision.code, decision.failures[0].clause) == ("policy.prohibited", "/prohibition/0")


@pytest.mark.parametrize("kind", ["medspace:statistics", "AmazonS3-PULL", "", "train"])
async def test_what_the_agreement_does_not_name_is_refused(kind):
    house, _ = await admitted_house()
    decision = await examined(house, kind)
    assert not decision.permitted
    assert decision.failures[0].clause in ("/permission", "/prohibition/0")


async def test_a_use_without_an_engine_is_refused_even_where_everything_is_allowed():
    house = House()
    await house.agree("train-and-statistics", label=LABEL | {"kinds": ["medspace:train", "medspace:statistics"]})
    assert (await examined(house)).permitted
    decision = await examined(house, "medspace:statistics")
    assert (decision.code, decision.failures[0].clause) == ("use.no_engine", "format")


async def test_an_expired_agreement_starts_nothing():
    house, _ = await admitted_house()
    house.clock.advance(60 * 24 * 3600)
    decision = await examined(house)
    assert (decision.code, decision.failures[0].clause) == ("policy.time", "/permission/0/constraint/1")


async def test_an_asset_without_a_label_starts_nothing():
    house, _ = await admitted_house()
    await house.relabel(None)
    decision = await examined(house)
    assert (decision.code, decision.failures[0].clause) == ("label.absent", "label.absent")


async def test_a_used_up_agreement_starts_no_further_use_but_lets_the_last_one_resume():
    house, token = await admitted_house(count=1)
    await house.control.step(call(token))
    assert (await examined(house)).code == "policy.count"
    assert (await examined(house, job="urn:job:1")).permitted


async def test_a_start_gives_an_address_with_a_token_of_its_own():
    house, first = await admitted_house()
    transfer = transfer_of("urn:job:1", "urn:agreement:1", KIND)
    address = await house.database.write(lambda tx: house.strategy.address(tx, transfer))
    assert address["endpoint"] == "https://clinic.example/jobs/urn:job:1"
    assert address["endpointType"] == JOB_ENDPOINT
    properties = {p["name"]: p["value"] for p in address["endpointProperties"]}
    assert properties["authType"] == "bearer"
    assert properties["authorization"] != first
    assert (await house.job()).generation == 2


async def test_a_consumer_gives_no_address():
    house, _ = await admitted_house()
    transfer = transfer_of("urn:job:5", "urn:agreement:1", KIND, Role.CONSUMER)
    assert await house.database.write(lambda tx: house.strategy.address(tx, transfer)) is None
    assert await house.job("urn:job:5") is None


async def test_a_request_is_started_and_whatever_ends_a_use_closes_its_job():
    house, _ = await admitted_house()
    transfer = transfer_of("urn:job:1", "urn:agreement:1", KIND)

    async def react(event):
        return await house.database.write(lambda tx: house.strategy.react(tx, transfer, event))

    assert (await react(TransferEvent.REQUEST)).actions == ("start",)
    assert (await react(TransferEvent.STARTED)).actions == ()
    assert (await house.job()).open
    assert (await react(TransferEvent.TERMINATED)).actions == ()
    assert not (await house.job()).open


async def test_the_end_of_a_transfer_that_never_started_closes_nothing():
    house = House()
    await house.tell(TransferEvent.TERMINATED)
    assert await house.job() is None


def test_tokens_are_those_of_one_start_of_one_job():
    tokens = JobTokens(b"secret")
    assert tokens.token("urn:job:1", 1) == JobTokens(b"secret").token("urn:job:1", 1)
    others = [tokens.token("urn:job:1", 2), tokens.token("urn:job:2", 1), JobTokens(b"x").token("urn:job:1", 1)]
    assert tokens.token("urn:job:1", 1) not in others
    assert len(tokens.token("urn:job:1", 1)) == 64
    assert "secret" not in repr(tokens)


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 2**40), st.integers(0, 2**40))
def test_no_two_starts_share_a_token(one, other, first, second):
    tokens = JobTokens(b"secret")
    same = tokens.token(one, first) == tokens.token(other, second)
    assert same is ((one, first) == (other, second))
