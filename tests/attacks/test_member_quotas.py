"""One member cannot use up a hospital: open processes, bytes, and what is never finished have bounds."""

import json
import uuid
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from medspace.app.doors.bodies import LARGEST_MESSAGE
from medspace.app.doors.protocol.endpoints import BASE
from medspace.connector.ending import CODE, StaleEnding
from medspace.connector.errors import QuotaError
from medspace.connector.model import ACCOUNTS, AGREEMENTS, NEGOTIATIONS, Agreement, ProcessFailure
from medspace.connector.negotiation.rules import NegotiationMessage
from medspace.connector.quotas import PERIOD, Quotas
from medspace.trust.model import Caller
from tests.unit.connector.parties import Network, Party
from tests.unit.connector.test_door import ASSET, app_of, use
from tests.unit.connector.test_negotiation import request

GREEDY, HONEST = Caller("did:web:greedy.example", "t"), Caller("did:web:honest.example", "t")
FAILURE = ProcessFailure("peer.unreachable", (), "delivery")
WIDE = Quotas(10**6, 10**6, 1 << 40)


@pytest.fixture
def hospital():
    party = Party("hospital", Network())
    party.negotiating.reactions = {}  # a person decides
    return party


def limited(party, **quotas):
    party.negotiations = replace(party.negotiations, quotas=replace(Quotas(), **quotas))
    return party.negotiations


def message(pid=None, note=""):
    asked = json.loads(request(pid or f"urn:uuid:{uuid.uuid4()}"))
    asked["offer"]["note"] = [note]
    return json.dumps(asked).encode()


async def ask(party, caller, content=None):
    return await party.negotiations.open(caller, content or message(), NegotiationMessage.REQUEST)


OPENED = "quotas: negotiations that one member holds open (three allowed)"


async def opened(party, wanted):
    """How many negotiations a greedy member opens."""
    for _ in range(wanted):
        with suppress(QuotaError):
            await ask(party, GREEDY)
    return await party.database.read(lambda tx: tx.count(NEGOTIATIONS, {"open_for": GREEDY.did}, 100))


async def test_a_member_that_asks_and_asks_gets_as_many_as_it_may(hospital, attack_report):
    limited(hospital, negotiations=3)
    got = await opened(hospital, 10)
    attack_report(OPENED, got=got, of=10, unit="negotiations")
    assert got == 3


async def test_open_negotiations_of_one_member_are_bounded_and_others_go_on(hospital):
    limited(hospital, negotiations=3)
    begun = [await ask(hospital, GREEDY) for _ in range(3)]
    with pytest.raises(QuotaError) as refused:
        await ask(hospital, GREEDY)
    assert refused.value.facts["seconds"] > 0
    await ask(hospital, HONEST)
    await hospital.negotiations.terminate(begun[0].process.id, "enough")
    await hospital.dispatcher._fail(hospital.dispatcher._lanes[begun[0].process.id], FAILURE)
    await ask(hospital, GREEDY)  # room again


async def test_without_the_quota_there_is_no_bound(hospital, attack_report):
    hospital.negotiations = replace(hospital.negotiations, quotas=WIDE)
    control = await opened(hospital, 10)
    attack_report(OPENED, control=control, of=10, unit="negotiations")
    assert control == 10


async def test_the_same_request_again_is_no_new_one(hospital):
    limited(hospital, negotiations=1)
    first = message("urn:the:same")
    begun = await ask(hospital, GREEDY, first)
    again = await ask(hospital, GREEDY, first)
    assert (again.process.id, again.fresh) == (begun.process.id, False)


async def test_bytes_of_one_member_are_bounded_and_a_refusal_keeps_nothing(hospital):
    limited(hospital, received=20_000)
    size = len(message(note="x" * 3000)) + 1024
    for _ in range(20_000 // size):
        await ask(hospital, GREEDY, message(note="x" * 3000))
    before = await hospital.database.read(lambda tx: (tx.log.size(), tx.get(ACCOUNTS, GREEDY.did)))
    with pytest.raises(QuotaError):
        await ask(hospital, GREEDY, message(note="x" * 3000))
    assert await hospital.database.read(lambda tx: (tx.log.size(), tx.get(ACCOUNTS, GREEDY.did))) == before
    await ask(hospital, HONEST, message(note="x" * 3000))
    hospital.clock.advance(PERIOD.total_seconds())
    await ask(hospital, GREEDY, message(note="x" * 3000))  # another period


async def test_messages_about_a_process_count_too_but_for_the_way_out(hospital):
    begun = (await ask(hospital, GREEDY)).process
    limited(hospital, received=1)
    pids = {"providerPid": begun.id, "consumerPid": begun.peer_pid}
    counter = json.loads(message(begun.peer_pid)) | pids
    await hospital.database.write(lambda tx: tx.replace(NEGOTIATIONS, begun, replace(begun, state="OFFERED")))
    with pytest.raises(QuotaError):
        await hospital.negotiations.receive(
            GREEDY, begun.id, json.dumps(counter).encode(), NegotiationMessage.REQUEST
        )
    leaving = {"@context": counter["@context"], "@type": NegotiationMessage.TERMINATION.value, **pids}
    over = await hospital.negotiations.receive(
        GREEDY, begun.id, json.dumps(leaving).encode(), NegotiationMessage.TERMINATION
    )
    assert over.process.state == "TERMINATED"


async def test_what_nobody_moves_is_ended(hospital):
    ending = StaleEnding(
        hospital.database, hospital.negotiations, hospital.transfers, hospital.clock, timedelta(days=30)
    )
    old = [(await ask(hospital, GREEDY)).process.id for _ in range(3)]
    hospital.clock.advance(29 * 86_400)
    young = (await ask(hospital, GREEDY)).process.id
    assert await ending.look() == 0  # the control: a day before, nothing ends
    hospital.clock.advance(86_400)
    assert await ending.look() == 3
    owed = {pid: hospital.dispatcher._lanes[pid].intent for pid in old}
    assert all(intent.message["code"] == CODE for intent in owed.values())
    assert young not in hospital.dispatcher._lanes


async def test_ending_goes_through_every_page(hospital, monkeypatch):
    monkeypatch.setattr("medspace.connector.ending.PAGE", 2)
    for _ in range(5):
        await ask(hospital, GREEDY)
    hospital.clock.advance(31 * 86_400)
    ending = StaleEnding(
        hospital.database, hospital.negotiations, hospital.transfers, hospital.clock, timedelta(days=30)
    )
    assert await ending.look() == 5


async def test_over_http_a_quota_says_its_code_and_when_to_come_back(hospital):
    limited(hospital, negotiations=1)
    transport = httpx.ASGITransport(app_of(hospital))
    headers = {"Authorization": f"Bearer {GREEDY.did}"}
    path = f"{BASE}/negotiations/request"
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
        assert (await client.post(path, content=message())).status_code == 201
        refused = await client.post(path, content=message())
        assert (refused.status_code, refused.json()["code"]) == (429, "quota.exceeded")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["@type"] == "ContractNegotiationError"
        large = await client.post(path, content=message() + b" " * LARGEST_MESSAGE)
        assert large.status_code == 413


async def test_open_transfers_of_one_member_are_bounded(hospital):
    made = Agreement("urn:g:1", "none", hospital.did, GREEDY.did, ASSET, {}, "sha256:0", "", "")
    await hospital.database.write(lambda tx: tx.insert(AGREEMENTS, made))
    hospital.transferring.reactions = {}
    hospital.transfers = replace(hospital.transfers, quotas=Quotas(transfers=2))
    for number in range(2):
        await hospital.transfers.open(GREEDY, json.dumps(use(consumerPid=f"urn:c:{number}")).encode())
    with pytest.raises(QuotaError):
        await hospital.transfers.open(GREEDY, json.dumps(use(consumerPid="urn:c:3")).encode())
    again = await hospital.transfers.open(GREEDY, json.dumps(use(consumerPid="urn:c:1")).encode())
    assert not again.fresh
    hospital.transfers = replace(hospital.transfers, quotas=WIDE)  # the control
    assert (await hospital.transfers.open(GREEDY, json.dumps(use(consumerPid="urn:c:3")).encode())).fresh
