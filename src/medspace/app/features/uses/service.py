"""Uses: those that this participant requests, and the steps of others on its own datasets."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.app.features.uses import leaking
from medspace.app.features.uses.ending import AgreementEnding
from medspace.app.node.lists import FIRST, PageRequest
from medspace.app.node.node import Node
from medspace.connector.model import TRANSFERS, Role, Transfer
from medspace.connector.usage.model import JOBS, Job
from medspace.core.actors import NOBODY
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.paging import newest
from medspace.core.store import Transaction
from medspace.core.text import Text, msgid


class VerbError(InvalidInputError):
    """There is no such verb for a transfer."""

    code = "transfer.verb"
    sentence = msgid("{verb} is not an action for a transfer.")
    next_step = msgid("Use one of suspend, resume, complete, terminate.")


@dataclass(frozen=True, slots=True)
class Uses:
    """Transfers, one's own and those of others on one's own data."""

    node: Node
    ending: AgreementEnding

    async def request(
        self, agreement: str, kind: str, address: JsonObject | None = None, *, by: str = NOBODY
    ) -> Transfer:
        """Ask for a use under an agreement."""
        return await self.node.transfers.request_transfer(agreement, kind, address, by=by)

    async def transfers(self, page: PageRequest = FIRST) -> list[Transfer]:
        """A page of transfers, the newest first."""
        return await self.node.transfers.recent(after=page.cursor(), limit=page.limit)

    async def transfer(self, pid: str) -> Transfer:
        """One transfer."""
        return await self.node.transfers.find(pid)

    async def steer(self, pid: str, verb: str, reason: str, *, by: str = NOBODY) -> Transfer:
        """Suspend, resume, complete or terminate a transfer.

        Raises:
            VerbError: another verb.
        """
        told = (reason,) if reason else ()
        if verb == "suspend":
            return await self.node.transfers.suspend(pid, "transfer.suspended", *told, by=by)
        if verb == "terminate":
            return await self.node.transfers.terminate(pid, "transfer.ended", *told, by=by)
        verbs = {"resume": self.node.transfers.resume, "complete": self.node.transfers.complete}
        if verb not in verbs:
            raise VerbError(verb=verb)
        return await verbs[verb](pid, by=by)

    async def uses(self, page: PageRequest = FIRST, **wanted: str) -> list[tuple[Transfer, Job | None]]:
        """A page of uses, newest first; others' uses of one's own data come with their job.

        `wanted` restricts them to a `role`, a `state` or an `agreement`.
        """
        where = {name: value for name, value in wanted.items() if value}
        found = await newest(self.node.database, TRANSFERS, where, page.cursor(), page.limit)
        return await self.node.database.read(lambda tx: [(use, tx.get(JOBS, use.id)) for use in found])

    async def use(self, pid: str) -> tuple[Transfer, Job | None]:
        """One use.

        Raises:
            UnknownProcessError: there is none.
        """
        found = await self.node.transfers.find(pid)
        return found, await self.node.database.read(lambda tx: tx.get(JOBS, pid))

    async def leaks(self, uses: Sequence[Transfer]) -> dict[str, list[Text]]:
        """Which columns told the outcome, by use, of those that are of one's own data."""
        datasets = dict.fromkeys(use.dataset for use in uses if use.role is Role.PROVIDER)

        def work(tx: Transaction) -> dict[str, list[Text]]:
            found = [leaking.leaks(tx, self.node.sealer, dataset) for dataset in datasets]
            return {use: said for one in found for use, said in one.items()}

        return await self.node.database.read(work)
