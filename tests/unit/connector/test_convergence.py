"""Two connectors over a network that loses, repeats, delays and refuses messages, and that may die in between."""

import asyncio
import contextlib
import os
import random
from collections import Counter

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from medspace.connector.errors import UnknownProcessError
from medspace.connector.model import AGREEMENTS, INTENTS, Agreement
from medspace.core.errors import MedspaceError
from tests.unit.connector.parties import OFFER, Network, Party, settle

FAULTS = ["none", "none", "none", "lost", "mute", "twice", "401", "404", "409", "500", "slow", "late", "void"]
EXAMPLES = int(os.environ.get("EXAMPLES", "60"))
PHASES = (Phase.explicit, Phase.generate)


class Weather:
    """Draws the fate of each call, until it clears up."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.fair = False

    def __call__(self, method, url, message):
        if self.fair:
            return None
        fault = self.chance.choice(FAULTS)
        return None if fault == "none" else fault

    def pause(self) -> int:
        return 0 if self.fair else self.chance.randrange(6)


async def world(seed):
    weather = Weather(seed)
    network = Network(fault=weather, pause=weather.pause)
    provider, consumer = Party("provider", network), Party("consumer", network)
    provider.start()
    consumer.start()
    return weather, provider, consumer


async def owing(party):
    return await party.database.read(lambda tx: tx.find(INTENTS))


async def quiet(parties):
    for _ in range(400):
        await settle(parties[0].clock)
        if not any([await owing(party) for party in parties]):
            return
        parties[0].clock.advance(1.0)
    raise AssertionError("messages are still owed")


async def play(weather, parties, steps, act):
    provider, consumer = parties
    for side, word, ticks in steps:
        party = provider if side == "provider" else consumer
        if word == "restart":
            await party.restart()
        elif word == "wait":
            provider.clock.advance(0.2)
        else:
            with contextlib.suppress(MedspaceError):  # it did not fit, or something was under way
                await act(party, side, word)
        await settle(provider.clock, ticks)
    weather.fair = True
    await asyncio.gather(*provider.network.late)
    provider.clock.advance(1.0)
    await quiet(parties)


def finals(kinds):
    return Counter(kind for kind in kinds if kind.rpartition(".")[2] in ("finalized", "terminated", "completed"))


SIDES = st.sampled_from(["provider", "consumer"])
TICKS = st.integers(0, 12)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(
        st.tuples(
            SIDES,
            st.sampled_from(["suspend", "resume", "suspend", "resume", "complete", "terminate", "restart", "wait"]),
            TICKS,
        ),
        max_size=14,
    ),
)
def test_both_ends_of_a_transfer_come_to_the_same_state(seed, steps):
    asyncio.run(transferring(seed, steps))


async def transferring(seed, steps):
    weather, provider, consumer = await world(seed)
    parties = (provider, consumer)
    agreement = Agreement(
        id="urn:agreement:1",
        negotiation="none",
        provider=provider.did,
        consumer=consumer.did,
        dataset="urn:asset:1",
        policy={},
        digest="sha256:0",
        agreed="",
        finalized="",
    )
    for party in parties:
        await party.database.write(lambda tx: tx.insert(AGREEMENTS, agreement))
    begun = await consumer.transfers.request_transfer(agreement.id, "medspace:train", address=provider.address)

    async def act(party, side, word):
        pid = begun.id
        if side == "provider":
            pid = (await consumer.transfer(begun.id)).peer_pid or "unknown"
        verb = getattr(party.transfers, word)
        await (verb(pid, "test.code") if word in ("suspend", "terminate") else verb(pid))

    await play(weather, parties, steps, act)
    mine = await consumer.transfer(begun.id)
    if mine.peer_pid is not None:
        theirs = await provider.transfer(mine.peer_pid)
        assert mine.state == theirs.state, (mine, theirs)
    assert len(await provider.transfers.recent()) <= 1
    for party in parties:
        assert sum(finals(await party.kinds()).values()) <= 1
        await party.stop()


REACTIONS = st.fixed_dictionaries(
    {
        "request": st.sampled_from(["agree", "offer", "terminate", ""]),
        "counter": st.sampled_from(["agree", "terminate", ""]),
        "accepted": st.sampled_from(["agree", "terminate"]),
        "verified": st.sampled_from(["finalize", "terminate"]),
        "offer": st.sampled_from(["accept", "counter", "terminate", ""]),
        "agreement": st.sampled_from(["verify", "verify", "terminate"]),
    }
)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES)
@given(
    seed=st.integers(0, 2**32),
    reactions=REACTIONS,
    begun_by=SIDES,
    steps=st.lists(
        st.tuples(
            SIDES, st.sampled_from(["approve", "approve", "offer", "terminate", "restart", "wait", "wait"]), TICKS
        ),
        max_size=14,
    ),
)
def test_both_ends_of_a_negotiation_come_to_the_same_state(seed, reactions, begun_by, steps):
    asyncio.run(negotiating(seed, reactions, begun_by, steps))


async def negotiating(seed, reactions, begun_by, steps):
    weather, provider, consumer = await world(seed)
    parties = (provider, consumer)
    for party in parties:
        party.negotiating.reactions = dict(reactions)
    first, second = (provider, consumer) if begun_by == "provider" else (consumer, provider)
    begin = first.negotiations.offer_to if begun_by == "provider" else first.negotiations.request_negotiation
    begun = await begin(second.did, second.address, OFFER, "urn:asset:1")

    async def act(party, side, word):
        pid = begun.id
        if side != begun_by:
            pid = (await first.negotiation(begun.id)).peer_pid or "unknown"
        if word == "approve":
            await party.negotiations.approve(pid)
        elif word == "offer":
            await party.negotiations.offer(pid, OFFER)
        else:
            await party.negotiations.terminate(pid, "test.code")

    await play(weather, parties, steps, act)
    await agree_on_the_end(first, second, begun.id)
    for party in parties:
        await party.stop()


async def agree_on_the_end(first, second, pid):
    mine = await first.negotiation(pid)
    assert len(await second.negotiations.recent()) <= 1
    if mine.peer_pid is None:
        return
    try:
        theirs = await second.negotiation(mine.peer_pid)
    except UnknownProcessError:
        raise AssertionError("the peer never knew it") from None
    assert mine.state == theirs.state, (mine, theirs)
    digests = [[a.digest for a in await party.negotiations.agreements()] for party in (first, second)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == (1 if mine.state == "FINALIZED" else 0)
    for party in (first, second):
        assert sum(finals(await party.kinds()).values()) <= 1
    noted = [
        [e["facts"]["agreement_digest"] for e in await party.log() if e["kind"] == "negotiation.finalized"]
        for party in (first, second)
    ]
    assert noted[0] == noted[1] == digests[0]
