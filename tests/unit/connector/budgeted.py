"""A holder with a privacy budget, and an engine whose tasks say what they cost."""

from dataclasses import dataclass
from typing import Any

from medspace.connector.local import Local
from medspace.connector.ports import TransferEvent
from medspace.connector.usage import accounts
from medspace.connector.usage.model import ACCOUNTS, AGREEMENT_ACCOUNTS, DEBITS, BudgetLimits
from medspace.core.engine import Cost
from medspace.privacy.noise.accounting import rho_of
from tests.unit.connector.uses import ASSET, HOLDER, TASK, Engine, House, call

DELTA = 1e-5
ONE = rho_of(1.0, DELTA)


@dataclass
class Noisy(Engine):
    """What a task costs is its own word: `rho` for each question; nothing, where it says nothing."""

    opens: frozenset[str] = frozenset()

    def cost(self, task: Any) -> Cost | None:
        if "rho" not in task:
            return None
        return Cost(tuple(task["rho"]), task.get("unit", "patient"), self.opens, gaussian=task.get("gaussian", False))


def limits(epsilon: float = 1.0, agreement: float | None = None, task: float | None = None, **more: Any) -> Any:
    """A budget as a holder sets it."""
    each = agreement or epsilon
    of_task = task or each
    rho = {"year": rho_of(epsilon, DELTA), "agreement": rho_of(each, DELTA), "task": rho_of(of_task, DELTA)}
    return BudgetLimits(epsilon, each, of_task, DELTA, **rho, **more)


class Budgeted(House):
    """The house, whose engine can add noise."""

    def __init__(self, *args: Any, opens: frozenset[str] = frozenset(), **more: Any) -> None:
        super().__init__(*args, **more)
        self.engine = Noisy(opens=opens)
        self.near: list[str] = []
        self.build()

    @property
    def local(self) -> Local:
        return Local(HOLDER, "https://clinic.example", self.clock, self.randomness)

    async def set(self, budget: Any) -> None:
        """The configuration says so."""
        await self.database.write(lambda tx: accounts.configure(tx, self.local, ASSET, budget))

    async def account(self) -> Any:
        return await self.database.read(lambda tx: tx.get(ACCOUNTS, ASSET))

    async def agreed(self, agreement: str = "urn:agreement:1") -> int:
        kept = await self.database.read(lambda tx: tx.get(AGREEMENT_ACCOUNTS, agreement))
        return 0 if kept is None else kept.taken

    async def debit(self, job: str = "urn:job:1") -> Any:
        return await self.database.read(lambda tx: tx.get(DEBITS, job))

    async def ask(self, token: str, rho: Any = None, job: str = "urn:job:1", task: Any = None, **step: Any) -> Any:
        """One question of a use whose task costs so much; nothing, where no rho is named."""
        said = TASK | (task or {}) | ({} if rho is None else {"rho": list(rho)})
        return await self.control.step(call(token, job=job, task=said, **step))

    async def over(self, job: str = "urn:job:1") -> None:
        """The use is completed, and what is due is done."""
        await self.tell(TransferEvent.COMPLETED, job)
        await self.control._settling.sweep()


async def budgeted(budget: Any = None, *args: Any, **terms: Any) -> tuple[Budgeted, str]:
    """A holder with a budget, one agreement and one started use; and its token."""
    house = Budgeted(*args, **terms)
    await house.set(budget or limits())
    await house.agree()
    return house, await house.start()
