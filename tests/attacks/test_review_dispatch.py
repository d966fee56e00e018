"""One message that cannot be dealt with never stops the others, before or after a restart."""

import pytest

from medspace.connector.errors import MessageError
from medspace.connector.model import AGREEMENTS, TRANSFERS, Agreement, ProcessKind
from medspace.core.decision import Decision, Verdict
from tests.unit.connector.parties import OFFER, Network, Party, until


@pytest.fixture
async def pair():
    network = Network()
    provider, consumer = Party("provider", network), Party("consumer", network)
    made = Agreement("urn:g:1", "none", provider.did, consumer.did, "urn:asset:1", {}, "sha256:0", "", "")
    for party in (provider, consumer):
        await party.database.write(lambda tx: tx.insert(AGREEMENTS, made))
        party.start()
    yield provider, consumer
    for party in (provider, consumer):
        await party.stop()


async def finalized(consumer, provider):
    begun = await consumer.negotiations.request_negotiation(provider.did, provider.address, OFFER, "urn:asset:1")

    async def there():
        return (await consumer.negotiation(begun.id)).state == "FINALIZED"

    await until(consumer.clock, there)


async def failures(caplog, clock, least):
    await until(clock, lambda: [r for r in caplog.records if r.message == "dispatch.failed"][least - 1 :])
    return [record for record in caplog.records if record.message == "dispatch.failed"]


@pytest.mark.parametrize("kind", ["a b", "", "x" * 300, "ü", "a\nb"])
async def test_a_format_that_no_log_could_hold_is_refused_before_anything_is_kept(pair, kind):
    provider, consumer = pair
    with pytest.raises(MessageError):
        await consumer.transfers.request_transfer("urn:g:1", kind, None, provider.address)
    assert await consumer.database.read(lambda tx: tx.find(TRANSFERS)) == []


async def spoil(consumer, provider, error):
    """Have a transfer whose refusal cannot be noted."""
    provider.transferring.decision = Decision(Verdict.DENY, "policy.no_permission")
    consumer.dispatcher._settlements[ProcessKind.TRANSFER] = Spoilt(consumer.transfers.steps, error)
    return await consumer.transfers.request_transfer("urn:g:1", "medspace:train", None, provider.address)


class Spoilt:
    """A settlement that cannot note failures."""

    def __init__(self, settlement, error):
        self._settlement, self._error = settlement, error

    def __getattr__(self, name):
        return getattr(self._settlement, name)

    def failed(self, tx, intent, failure):
        raise self._error


@pytest.mark.parametrize("error", [MessageError(reason="made up"), RuntimeError("nobody foresaw it")])
async def test_others_go_on_while_one_message_cannot_be_settled(pair, error, caplog):
    provider, consumer = pair
    await spoil(consumer, provider, error)
    first, *_ = await failures(caplog, consumer.clock, 2)
    assert first.facts["code"] in ("message.invalid", "process.unforeseen")
    assert not consumer.task.done()
    await finalized(consumer, provider)


@pytest.mark.parametrize("error", [MessageError(reason="made up"), RuntimeError("nobody foresaw it")])
async def test_such_a_message_is_left_alone_after_a_while_and_stops_no_restart(pair, error, caplog):
    provider, consumer = pair
    begun = await spoil(consumer, provider, error)
    await failures(caplog, consumer.clock, 1)
    consumer.clock.advance(700)
    seen = await failures(caplog, consumer.clock, 2)
    consumer.clock.advance(700)
    await finalized(consumer, provider)
    assert await failures(caplog, consumer.clock, 2) == seen  # no further attempt
    await consumer.restart()
    await finalized(consumer, provider)

    async def ended():
        return (await consumer.transfer(begun.id)).state == "TERMINATED"

    await until(consumer.clock, ended)  # what could not be noted then can be noted now
