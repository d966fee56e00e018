"""A dry run of what another participant offers looks at every offer that can be read."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from medspace.adapters.memory import ManualClock
from medspace.app.features.terms.trying import Trying
from medspace.connector.catalogue.finding import RulelessError
from medspace.policy import templates
from medspace.policy.errors import InvalidPolicyError

ME, CLINIC, RESEARCH = "did:web:me", "did:web:clinic", "ehds:HealthcareScientificResearch"
GOOD = templates.build("train-only", offer_id="urn:good", purposes=[RESEARCH])
MALFORMED = {"@id": "urn:odd", "@type": "Offer", "permission": [{"action": ["use", "use"], "constraint": 7}]}
EMPTY = {"@id": "urn:empty", "@type": "Offer"}


def trying(*offers):
    async def dataset(_participant, name):
        return {"@id": name, "hasPolicy": list(offers)}

    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    node = SimpleNamespace(did=ME, clock=clock, region=lambda _did: "DE", roles=lambda _did: (), kinds=frozenset())
    return Trying(SimpleNamespace(node=node, finder=SimpleNamespace(dataset=dataset)))


async def tried(*offers, offer=""):
    wish = {"participant": CLINIC, "dataset": "d", "offer": offer, "user": "", "format": "medspace:train"}
    return await trying(*offers).try_policy(wish | {"purpose": RESEARCH, "place": "DE", "at": ""}, str)


@pytest.mark.parametrize("beside", [(), (MALFORMED,), (EMPTY, MALFORMED)])
async def test_an_offer_that_cannot_be_read_hides_no_good_one(beside):
    assert (await tried(*beside, GOOD))["verdict"] == "permit"


@pytest.mark.parametrize("named", ["", "urn:odd"])
async def test_where_no_other_is_meant_it_is_told(named):
    with pytest.raises(InvalidPolicyError):
        await tried(MALFORMED, *[GOOD] * bool(named), offer=named)
    with pytest.raises(RulelessError):
        await tried(EMPTY)
