"""A user claims that it fulfilled a duty and did not: the proof is forged, borrowed, old or of another log."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from medspace.app.features.duties.door import flaw_of
from medspace.app.features.duties.kinds import KINDS
from medspace.connector.duties import rules, service
from medspace.connector.duties.errors import DutyUnprovenError, DutyUntimelyError, UnknownDutyError
from medspace.connector.duties.model import DUTIES, OwedState
from medspace.connector.model import AGREEMENTS, Role, TransferState
from medspace.core.clock import stamp
from medspace.ledger import kinds
from medspace.ledger.entry_proof import prove
from medspace.ledger.model import Entry
from medspace.ledger.service import checkpoint, record
from tests.runs import signer_of
from tests.unit.connector.uses import HOLDER, KIND, NOW, USER, House, transfer_of

AGREEMENT, USE = "urn:agreement:1", "urn:job:1"
MODEL = "sha256:" + "1" * 64
DONE = NOW + timedelta(days=1)

kinds.learn(KINDS)  # as whoever loads the features does


async def owed():
    """A holder that is owed the deletion of what one use made, and that duty."""
    house = House(delete_within=30)
    agreement = await house.agree()
    transfer = replace(transfer_of(USE, agreement, KIND), state=TransferState.COMPLETED)

    def unit(tx):
        return service.begin(tx, HOLDER, transfer, tx.get(AGREEMENTS, agreement), NOW)

    (duty,) = await house.database.write(unit)
    return house, duty


async def entry_of(duty, /, *, by=USER, time=DONE, signer=USER, **facts):
    """What a log says, with the path to a checkpoint that somebody signed."""
    log = House()
    said = rules.facts_of(duty) | {"objects": [MODEL]} | facts

    def unit(tx):
        index = record(tx, Entry(rules.FULFILLED, stamp(time), by, said))
        return prove(tx, index, checkpoint(tx, signer_of(signer), by, time), "")

    return await log.database.write(unit)


def claimed(house, duty, proof, *, checks=True, user=USER, now=DONE):
    """What the door does with a claim; `checks` False: whatever its proof is."""
    flaw = flaw_of(proof, user, signer_of(user).public_key) if checks else None
    if flaw is not None:
        raise DutyUnprovenError(duty=duty.id, reason=flaw)
    said = msgspec.to_builtins(proof)
    return house.database.write(lambda tx: service.accept(tx, HOLDER, duty.id, user, said, now))


FORGED = {
    "signed by somebody else": {"signer": "did:web:else.example"},
    "about another duty": {"duty": "sha256:" + "2" * 64},
    "about another clause": {"clause": "/obligation/7"},
    "about another use": {"transfer": "urn:uuid:00000000-0000-4000-8000-000000000000"},
    "of another log": {"by": "did:web:else.example", "signer": "did:web:else.example"},
    "older than the end of the use": {"time": NOW - timedelta(days=2)},
    "from the future": {"time": DONE + timedelta(days=20)},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
async def test_a_claim_without_its_proof_leaves_the_duty_owed(change):
    house, duty = await owed()
    proof = await entry_of(duty, **change)
    with pytest.raises((DutyUnprovenError, DutyUntimelyError)):
        await claimed(house, duty, proof)
    assert (await house.database.read(lambda tx: tx.get(DUTIES, duty.id))).state is OwedState.OPEN


async def test_an_entry_that_is_in_no_log_proves_nothing(attack_report):
    house, duty = await owed()
    made_up = msgspec.structs.replace(await entry_of(duty, objects=[]), entry=(await entry_of(duty)).entry)
    with pytest.raises(DutyUnprovenError):
        claimed(house, duty, made_up)
    attack_report("duty claimed: kept without an entry of the log", got=0, unit="duties")


async def test_without_the_check_it_would(attack_report):
    house, duty = await owed()
    made_up = msgspec.structs.replace(await entry_of(duty, objects=[]), entry=(await entry_of(duty)).entry)
    kept = await claimed(house, duty, made_up, checks=False)
    assert kept.state is OwedState.KEPT
    attack_report("duty claimed: kept without an entry of the log", control=1, unit="duties")


async def test_the_true_proof_is_taken_once_and_counts_when_it_comes():
    house, duty = await owed()
    proof = await entry_of(duty)
    late = await claimed(house, duty, proof, now=NOW + timedelta(days=31))  # however early its entry says it was done
    assert (late.state, late.done) == (OwedState.LATE, stamp(DONE))
    assert (await claimed(house, duty, proof)).state is OwedState.LATE


async def test_nobody_claims_for_another_member():
    house, duty = await owed()
    proof = await entry_of(duty, by="did:web:else.example", signer="did:web:else.example")
    with pytest.raises(UnknownDutyError):
        await claimed(house, duty, proof, user="did:web:else.example")


async def test_a_claimant_does_not_choose_the_role():
    house, duty = await owed()
    with pytest.raises(UnknownDutyError):
        await house.database.write(lambda tx: service.fulfil(tx, HOLDER, duty.id, DONE, [], {}))
    assert duty.role is Role.PROVIDER
