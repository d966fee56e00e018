"""A holder's suspension, completion or termination holds at once, whatever the user does with the message."""

import pytest

from medspace.connector.model import AGREEMENTS
from medspace.connector.usage.errors import JobClosedError, NotAdmittedError, UnknownJobError
from medspace.connector.usage.model import KEPT
from tests.unit.connector.parties import Network, Party, until
from tests.unit.connector.uses import KIND, House, call


class Use:
    """One started use between two connectors: the holder's usage control, and a user that may stay silent."""

    def __init__(self) -> None:
        self.network = Network()
        self.silent = False
        self.network.fault = lambda method, url, message: "503" if self.silent and "company" in url else None
        self.holder, self.user = Party("clinic", self.network), Party("company", self.network)
        self.house = House(self.holder.database)
        for party in (self.holder, self.user):
            party.clock = self.network.clock = self.house.clock
        self.holder.transferring = self.house.strategy
        self.holder.build()
        self.user.build()

    async def begin(self) -> None:
        await self.house.agree()
        made = await self.holder.database.read(lambda tx: tx.get(AGREEMENTS, "urn:agreement:1"))
        await self.user.database.write(lambda tx: tx.insert(AGREEMENTS, made))
        self.holder.start()
        self.user.start()
        begun = await self.user.transfers.request_transfer("urn:agreement:1", KIND, None, self.holder.address)
        self.mine = begun.id
        await self.reach("STARTED")
        self.pid = (await self.user.transfer(self.mine)).peer_pid
        await self.reach("STARTED")

    async def ask(self, number: int):
        """One step with the token that the user has."""
        address = (await self.user.transfer(self.mine)).data_address
        token = next(p["value"] for p in address["endpointProperties"] if p["name"] == "authorization")
        return await self.house.control.step(call(token, self.pid, round=number))

    async def reach(self, state: str) -> None:
        async def there() -> bool:
            mine = await self.user.transfer(self.mine)
            theirs = mine if mine.peer_pid is None else await self.holder.transfer(mine.peer_pid)
            return mine.state == theirs.state == state

        await until(self.house.clock, there)

    async def end(self, how: str) -> None:
        """The holder ends the use."""
        said = () if how == "complete" else ("transfer.suspended",)
        await getattr(self.holder.transfers, how)(self.pid, *said)

    async def refused(self) -> None:
        """Wait until the user's own message was refused."""

        async def seen() -> bool:
            return (await self.user.transfer(self.mine)).failure is not None

        await until(self.house.clock, seen)

    async def given_up(self) -> None:
        """Wait until the holder's message was given up."""

        async def seen() -> bool:
            self.house.clock.advance(20)
            return (await self.holder.transfer(self.pid)).failure is not None

        await until(self.house.clock, seen)

    async def stop(self) -> None:
        await self.holder.stop()
        await self.user.stop()


@pytest.fixture
async def use():
    made = Use()
    await made.begin()
    yield made
    await made.stop()


@pytest.mark.parametrize("how", ["suspend", "complete", "terminate"])
async def test_the_use_is_over_before_the_user_acknowledges_it(use, how):
    assert await use.ask(1)
    use.silent = True
    await use.end(how)
    with pytest.raises(JobClosedError):
        await use.ask(2)


@pytest.mark.parametrize("how", ["suspend", "complete"])
async def test_the_use_stays_over_when_the_message_is_given_up(use, how):
    use.silent = True
    await use.end(how)
    await use.given_up()
    assert (await use.holder.transfer(use.pid)).state == "STARTED"
    with pytest.raises(JobClosedError):
        await use.ask(1)


async def test_a_user_does_not_resume_what_the_holder_suspended(use):
    await use.end("suspend")
    await use.reach("SUSPENDED")
    await use.user.transfers.resume(use.mine)
    await use.refused()
    transfer = await use.user.transfer(use.mine)
    assert (transfer.state, transfer.failure.code, transfer.failure.clause) == (
        "SUSPENDED",
        "use.held",
        "use.suspended",
    )
    with pytest.raises(JobClosedError):
        await use.ask(1)


async def test_a_user_does_not_get_past_an_undelivered_suspension_by_suspending_itself(use):
    use.silent = True
    await use.end("suspend")
    await use.given_up()
    use.silent = False
    await use.user.transfers.suspend(use.mine, "transfer.suspended")
    await use.reach("SUSPENDED")
    await use.user.transfers.resume(use.mine)
    await use.refused()
    with pytest.raises(JobClosedError):
        await use.ask(1)


async def test_a_user_resumes_what_it_suspended_itself_with_the_token_that_it_has(use):
    await use.user.transfers.suspend(use.mine, "transfer.suspended")
    await use.reach("SUSPENDED")
    with pytest.raises(JobClosedError):
        await use.ask(1)
    await use.user.transfers.resume(use.mine)
    await use.reach("STARTED")
    assert await use.ask(1)


async def test_a_user_does_not_resume_what_the_agreement_allows_no_longer(use):
    await use.user.transfers.suspend(use.mine, "transfer.suspended")
    await use.reach("SUSPENDED")
    use.house.clock.advance(60 * 24 * 3600)
    await use.user.transfers.resume(use.mine)
    await use.refused()
    assert (await use.user.transfer(use.mine)).failure.code == "policy.time"
    with pytest.raises((JobClosedError, NotAdmittedError)):
        await use.ask(1)


async def test_the_holder_resumes_with_a_new_token(use):
    old = (await use.user.transfer(use.mine)).data_address
    await use.end("suspend")
    await use.reach("SUSPENDED")
    await use.holder.transfers.resume(use.pid)
    await use.reach("STARTED")
    assert await use.ask(1)
    token = next(p["value"] for p in old["endpointProperties"] if p["name"] == "authorization")
    with pytest.raises(UnknownJobError):
        await use.house.control.step(call(token, use.pid, round=2))


@pytest.mark.parametrize("how", ["complete", "terminate"])
async def test_a_use_that_is_over_is_told_no_answer_again_and_what_is_kept_of_it_is_sealed(use, how):
    release = await use.ask(1)
    await use.end(how)
    await use.reach("COMPLETED" if how == "complete" else "TERMINATED")
    with pytest.raises(JobClosedError):
        await use.ask(1)
    (kept,) = await use.holder.database.read(lambda tx: tx.find(KEPT))
    assert release.digest not in repr(kept)
