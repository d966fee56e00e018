"""Members cannot write what they like into the signed log of a holder."""

import msgspec
import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.connector import journal
from medspace.connector.codes import noted
from medspace.connector.usage.errors import NotAdmittedError, StepError
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest_bytes
from medspace.runs.errors import SiteRefusedError
from tests.unit.connector.parties import CONTEXT, OFFER, Network, Party, settle
from tests.unit.connector.uses import TASK, admitted_house, call
from tests.unit.learning.simulated import SimulatedSites, coordinator, did, seats
from tests.unit.runs.test_coordinator import TABLES, task


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


NAMES = ("anna.schmidt", "anna-schmidt.born-1955", "ANNA", "policy.anna")


async def names_in_the_log_of_a_run(noted):
    """How many of them a hospital of a run gets into the log of whoever leads it, as the code of its refusal."""
    found = 0
    for name in NAMES:

        async def refuse(step, honest, name=name):
            raise SiteRefusedError(site=did(1), reason="no", refusal=name)

        database = MemoryDatabase()
        leader = coordinator(SimulatedSites(TABLES, {did(1): refuse}), database=database, noted=noted)
        run = await leader.train(task(site_faults="fail"), seats(TABLES))
        assert run.failure.code == name  # its user is told
        log = await database.read(lambda tx: tx.log.entries(0, tx.log.size()))
        found += any(name.encode() in entry for entry in log)
    return found


async def test_a_hospital_of_a_run_gets_no_name_into_the_log_of_its_leader(attack_report):
    got, control = await names_in_the_log_of_a_run(noted), await names_in_the_log_of_a_run(str)
    attack_report("refusals: names in the log", got=got, control=control, of=len(NAMES), unit="names")
    assert (got, control) == (0, len(NAMES))


# --- identifiers of counterparties ------------------------------------------------------------------------------
PLANTED = "urn:patient:Anna-Schmidt-1955-01-01:" + "x" * 200


async def asked(pid, offer):
    """The log of a provider that somebody asks under this pid, for an offer of this identity."""
    network = Network()
    provider, consumer = Party("provider", network), Party("consumer", network)
    provider.negotiating.reactions = {}
    provider.start()
    body = {
        "@context": CONTEXT,
        "@type": "ContractRequestMessage",
        "consumerPid": pid,
        "callbackAddress": consumer.address,
        "offer": OFFER | {"@id": offer, "target": "urn:asset:1"},
    }
    assert (await provider.post("/negotiations/request", msgspec.json.encode(body), consumer.did)).status == 200
    log = await provider.log()
    await provider.stop()
    return log


async def test_an_identifier_of_anothers_own_making_is_not_written_down(attack_report, monkeypatch):
    log = await asked(PLANTED, PLANTED)
    facts = log[-1]["facts"]
    got = str(log).count("Anna-Schmidt")
    assert facts["peer_pid"] == facts["offer"] == digest_bytes(PLANTED.encode())
    monkeypatch.setattr(journal, "pseudonym", str)
    control = str(await asked(PLANTED, PLANTED)).count("Anna-Schmidt")
    attack_report("identifiers: names in the log", got=got, control=control, of=2, unit="names")
    assert (got, control) == (0, 2)


UUID = "6f5a1c0e-4b1f-4c0e-9a60-0c7a51d5b9e1"


@pytest.mark.parametrize("pid", [f"urn:uuid:{UUID}", UUID, UUID.upper()])
async def test_an_identifier_that_says_nothing_is_written_down_as_it_is(pid):
    assert (await asked(pid, pid))[-1]["facts"]["peer_pid"] == pid
