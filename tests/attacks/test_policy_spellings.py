"""A clause in the spelling of another connector: a person reads it, and the agreement must have it.

Who asks sends terms that a data office agrees to because of a clause in them. The clause stands under a name, or in
an object, that JSON-LD gives the same meaning; what is lost between the message and the agreement is permitted.
"""

import msgspec
import pytest

from medspace.connector import wire
from medspace.connector.errors import MessageError
from medspace.connector.model import Role
from medspace.connector.negotiation.rules import check_terms
from medspace.connector.negotiation.strategy import Answering
from medspace.core.errors import MedspaceError
from medspace.policy import odrl
from medspace.policy.contexts import DSPACE
from medspace.policy.errors import InvalidPolicyError
from medspace.policy.points import ROAD
from medspace.policy.rules import decide, enforceable
from tests.unit.connector.parties import CONTEXT, Network, Party, until
from tests.unit.connector.test_strategy import ASSET, offered, product
from tests.unit.policy.given import compare, offer, request, rule

ODRL = "http://www.w3.org/ns/odrl/2/"
BARRED = rule(action="medspace:train")
CHINA = compare("spatial", "eq", "CN")  # the user of `request()` is in Germany
UNKEPT = {"action": "odrl:compensate"}

# Terms that forbid the request, or that nobody could keep, each in a spelling that is not that of the protocol.
HIDING = {
    "prohibition by its prefix": offer(rule(), **{"odrl:prohibition": [BARRED]}),
    "prohibition by its IRI": offer(rule(), **{f"{ODRL}prohibition": [BARRED]}),
    "prohibition by its prefix, alone": offer(rule(), **{"odrl:prohibition": BARRED}),
    "prohibition by its prefix, in @list": offer(rule(), **{"odrl:prohibition": {"@list": [BARRED]}}),
    "prohibition by both names": offer(
        rule(), prohibition=[rule(action="medspace:download")], **{"odrl:prohibition": [BARRED]}
    ),
    "obligation by its prefix": offer(rule(), **{"odrl:obligation": [UNKEPT]}),
    "profile by its prefix": offer(rule(), **{"odrl:profile": "urn:other"}),
    "refinement of an action": offer(rule(action={"@id": "use", "refinement": [CHINA]})),
    "refinement by its prefix": offer(rule(action={"@id": "odrl:use", "odrl:refinement": [CHINA]})),
    "an operand that says more": offer(rule(compare({"@id": "count", "unit": "day"}, "lteq", 1))),
    "an operator that says more": offer(rule(compare("count", {"@id": "lteq", "not": True}, 1))),
    "an operator with two prefixes": offer(rule(compare("spatial", "odrl:odrl:isNoneOf", ["CN"]))),
}


def agreement(terms):
    """The agreement that would be made of these terms once a person has said yes; None where it is refused."""
    try:
        read = wire.offer({"@context": [DSPACE], "offer": {**terms, "target": "urn:d"}})
        check_terms(Role.PROVIDER, read)
    except (MessageError, MedspaceError):
        return None
    return {name: read[name] for name in ("permission", "prohibition", "obligation", "profile") if name in read}


def loose():
    """Of how many of the terms the agreement permits what the terms themselves do not."""
    return sum(_permits(agreement(terms)) for terms in HIDING.values())


def _permits(made):
    if made is None:
        return False
    policy = odrl.parse({"@id": "urn:a", **made})
    return enforceable(policy).permitted and all(decide(policy, request(), point).permitted for point in ROAD)


@pytest.mark.parametrize("terms", HIDING.values(), ids=HIDING)
def test_the_terms_themselves_permit_nothing(terms):
    try:
        policy = odrl.parse(terms)
    except InvalidPolicyError:
        return
    assert not (enforceable(policy).permitted and decide(policy, request(), ROAD[-1]).permitted)


def test_what_the_spelling_hides_in_all(monkeypatch, attack_report):
    got = loose()
    monkeypatch.setattr(wire, "respelled", lambda policy: policy)
    monkeypatch.setattr(wire, "_bare", wire._text)
    control = loose()
    attack_report(
        "spellings: agreements without a clause of their terms",
        got=got,
        control=control,
        of=len(HIDING),
        unit="terms",
    )
    assert got == 0
    assert control == 8  # the others are refused where they are read


@pytest.mark.parametrize("name", ["prohibition", "odrl:prohibition", f"{ODRL}prohibition"])
async def test_what_a_person_agrees_to_is_what_the_agreement_says(name):
    network = Network()
    provider, consumer = Party("provider", network), Party("consumer", network)
    regions = {consumer.did: "DE"}
    product(provider, regions, Answering.MANUAL)
    product(consumer, regions, Answering.MANUAL)
    for party in (provider, consumer):
        party.start()
    await offered(provider)
    late = rule(compare("odrl:dateTime", {"@id": "odrl:gt"}, "2027-01-01T00:00:00Z"), action="medspace:train")
    terms = {"@id": "urn:o", "@type": "odrl:Offer", "target": ASSET, "odrl:permission": rule(action="medspace:train")}
    message = {
        "@context": CONTEXT,
        "@type": "ContractRequestMessage",
        "consumerPid": "urn:c:1",
        "callbackAddress": consumer.address,
        "offer": terms | {name: {"@list": [late]}},
    }
    reply = await provider.post("negotiations/request", msgspec.json.encode(message), consumer.did)
    assert reply.status == 200, reply.body
    (asked,) = await provider.negotiations.recent()
    await provider.negotiations.approve(asked.id)
    await until(network.clock, lambda: any("agreement" in sent for _, sent in network.sent))
    (made,) = [sent["agreement"] for _, sent in network.sent if "agreement" in sent]
    assert made["prohibition"] == [
        {
            "action": "medspace:train",
            "constraint": [{"leftOperand": "dateTime", "operator": "gt", "rightOperand": "2027-01-01T00:00:00Z"}],
        }
    ]
    assert made["permission"] == [{"action": "medspace:train"}]
    for party in (provider, consumer):
        await party.stop()
