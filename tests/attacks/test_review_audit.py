"""The logs tell enough to see a question that the run did not note, and a use after the end of its agreement."""

from datetime import timedelta

import pytest

from medspace.connector.catalogue.service import publish
from medspace.connector.model import AGREEMENTS, Dataset
from medspace.connector.negotiation.strategy import PolicyStrategy
from medspace.core.canonical import exact
from medspace.core.hashing import digest
from medspace.ledger.report import AuditOutcome
from medspace.policy import odrl, templates
from medspace.policy.limits import last_end
from medspace.trust.model import Facts
from tests.unit.connector.parties import Network, Party, until
from tests.unit.connector.uses import PURPOSE, admitted_house, call
from tests.unit.ledger import story
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH, honest

ASSET = "urn:asset:1"


def failed(space):
    return {finding.code for finding in space.audit().findings if finding.outcome is AuditOutcome.FAILED}


# --- what the logs say ------------------------------------------------------------------------------------------


async def test_an_admission_names_the_question():
    house, token = await admitted_house()
    inputs = {"beta": [0.25, -1.5], "layout": {"scale": [1.0]}}
    await house.control.step(call(token, inputs=inputs))
    await house.control.step(call(token, round=2))
    first, second = [entry.facts for entry in await house.log() if entry.kind == "use.admitted"]
    assert first["question"] == digest(exact(inputs))
    assert second["question"] == digest({})


async def test_both_sides_note_when_an_agreement_ends():
    network = Network()
    holder, user = Party("clinic", network), Party("company", network)
    for party in (holder, user):
        party.strategy = PolicyStrategy(party.local, lambda tx, did: Facts(did, "DE"))
        party.build()
        party.start()
    offer = templates.build("train-only", offer_id="urn:offer:1", purposes=[PURPOSE], until="2027-01-01T00:00:00Z")
    dataset = Dataset(ASSET, "Hearts", "", (), (offer,), ("medspace:train",), "sha256:" + "0" * 64, "")
    await holder.database.write(lambda tx: publish(tx, holder.local, dataset, ["medspace:train"]))
    await user.negotiations.request_negotiation(holder.did, holder.address, offer, ASSET)

    async def final():
        kept = [await party.database.read(lambda tx: tx.find(AGREEMENTS)) for party in (holder, user)]
        return all(kept)

    await until(network.clock, final)
    for party in (holder, user):
        await party.stop()
        noted = {entry["kind"]: entry["facts"].get("expires") for entry in await party.log()}
        assert noted["negotiation.agreed"] == noted["negotiation.finalized"] == "2027-01-01T00:00:00.000Z"
        assert noted["negotiation.requested"] is None


@pytest.mark.parametrize(
    ("ends", "last"), [(["2027", "2028"], 2028), (["2027", None], None), ([None], None), (["2027"], 2027)]
)
def test_an_agreement_ends_with_its_last_permission(ends, last):
    rules = [
        {
            "action": "medspace:train",
            "constraint": [{"leftOperand": "dateTime", "operator": "lt", "rightOperand": f"{end}-01-01T00:00:00Z"}]
            if end
            else [],
        }
        for end in ends
    ]
    policy = odrl.parse({"@id": "urn:o", "@type": "Offer", "target": ASSET, "permission": rules})
    found = last_end(policy)
    assert (found and found.year) == last


# --- what an audit makes of it ----------------------------------------------------------------------------------


def test_a_run_that_asked_what_it_does_not_note_is_found():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "use.admitted"), question=digest({"beta": "steep"}))
    assert failed(space) == {"run.answer.other_question"}


def test_a_run_that_hides_its_question_is_found():
    space = honest()
    index = space.find(COMPANY, "run.round")
    del space.logs[COMPANY][index].facts["model"]
    assert "run.answer.other_question" in failed(space)


def test_a_run_that_asked_for_another_step_is_found():
    space = honest()
    space.edit(NORTH, space.find(NORTH, "use.admitted"), step="evaluation")
    assert failed(space) == {"run.answer.other_step"}


def test_a_question_about_no_model_is_noted_as_such():
    space = honest()
    index = space.find(COMPANY, "run.round")
    del space.logs[COMPANY][index].facts["model"]
    for site in story.SITES:
        space.edit(site, space.find(site, "use.admitted"), question=digest({}))
    assert not failed(space)


def test_a_release_after_the_end_of_its_agreement_is_found():
    assert not failed(honest(expires=BEGIN + timedelta(days=1)))
    assert failed(honest(expires=BEGIN)) >= {"release.admitted.expired", "run.answer.expired"}
