"""Members cannot write what they like into the signed log of a holder."""

import importlib
import pkgutil

import msgspec
import pytest

from medspace.connector.codes import KNOWN
from medspace.connector.usage.errors import NotAdmittedError, StepError
from medspace.core.errors import InvalidInputError, MedspaceError
from tests.unit.connector.parties import CONTEXT, OFFER, Network, Party, settle
from tests.unit.connector.uses import TASK, admitted_house, call


class UnknownTaskError(InvalidInputError):
    """The engine does not know it."""


def refuse(task):
    raise UnknownTaskError(reason="no such task")


@pytest.mark.parametrize("name", ["anna-schmidt-1955-01-01", "sums", "moments"])
async def test_a_step_that_the_engine_does_not_name_leaves_no_trace(name):
    house, token = await admitted_house(count=1)
    with pytest.raises(StepError):
        await house.control.step(call(token, name=name))
    assert await house.log() == []
    assert house.source.opened == []
    assert (await house.job()).number == 0  # it used up nothing


async def test_a_task_that_the_engine_cannot_run_leaves_no_trace():
    house, token = await admitted_house(count=1)
    house.engine.check = refuse
    with pytest.raises(StepError, match="no such task"):
        await house.control.step(call(token))
    assert await house.log() == []
    assert (await house.job()).number == 0


async def test_a_purpose_outside_the_vocabulary_is_refused_and_not_written_down():
    house, token = await admitted_house(purposes=None)
    with pytest.raises(NotAdmittedError):  # every label names purposes of the vocabulary
        await house.control.step(call(token, task=TASK | {"purpose": "Anna-Schmidt-1955-01-01"}))
    assert await house.kinds() == ["use.refused"]
    assert "Schmidt" not in str(await house.log())


async def test_what_the_engine_names_is_answered():
    house, token = await admitted_house()
    assert await house.control.step(call(token, name="mean"))


# --- codes of counterparties ------------------------------------------------------------------------------------


async def told(code):
    """The last entry of a provider whose consumer ends a negotiation with this code."""
    network = Network()
    provider, consumer = Party("provider", network), Party("consumer", network)
    provider.negotiating.reactions = {}
    for party in (provider, consumer):
        party.start()
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, "urn:asset:1")
    await settle(network.clock)
    mine = await consumer.negotiation(begun.id)
    body = {
        "@context": CONTEXT,
        "@type": "ContractNegotiationTerminationMessage",
        "providerPid": mine.peer_pid,
        "consumerPid": mine.id,
        "code": code,
        "reason": ["Anna Schmidt"],
    }
    path = f"/negotiations/{mine.peer_pid}/termination"
    assert (await provider.post(path, msgspec.json.encode(body), consumer.did)).status == 200
    kept = await provider.negotiation(mine.peer_pid)
    for party in (provider, consumer):
        await party.stop()
    return kept.failure.code, (await provider.log())[-1]


@pytest.mark.parametrize("code", ["anna.schmidt", "anna-schmidt.born-1955", "policy.anna", "ANNA", "anna@x.example"])
async def test_a_code_of_anothers_own_making_is_not_written_down(code):
    _, entry = await told(code)
    assert (entry["kind"], entry["facts"]["code"]) == ("negotiation.terminated", "peer.unspecified")
    assert "nna" not in str(entry)


@pytest.mark.parametrize("code", ["policy.prohibited", "negotiation.not_offered", "policy.count"])
async def test_a_code_that_everybody_knows_is_written_down(code):
    kept, entry = await told(code)
    assert kept == entry["facts"]["code"] == code


def errors(kind=MedspaceError):
    for found in kind.__subclasses__():
        yield found
        yield from errors(found)


def test_every_code_that_a_connector_answers_with_is_known():
    rooms = ("core", "trust", "policy", "connector")
    for room in rooms:
        package = importlib.import_module(f"medspace.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    own = {
        "peer.unreachable",
        "peer.not_sent",
        "peer.forbidden",
        "storage.taken",
        "proof.failed",
        "dictionary.invalid",
        "dataset.id",
        "questions.sealed",
        "step.unknown",
        "step.not_held",
    }
    codes = {found.code for found in errors() if found.__module__.startswith(tuple(f"medspace.{r}" for r in rooms))}
    assert codes - own <= KNOWN
