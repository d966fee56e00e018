"""The log of a hospital whose dataset has a privacy budget, written by the accounts themselves."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

from medspace.adapters.memory import MemoryDatabase
from medspace.connector.local import Local
from medspace.connector.usage import accounts
from medspace.connector.usage.model import ACCOUNTS, DEBITS
from medspace.core.clock import stamp
from medspace.core.engine import Cost
from medspace.core.hashing import digest
from medspace.ledger import service, statements
from medspace.ledger.budgets import books, check, count
from medspace.ledger.membership import Signed
from medspace.ledger.model import Entry, decode
from medspace.ledger.report import AuditOutcome, summarise
from medspace.ledger.statements import LogLine
from tests.unit.connector.budgeted import limits
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH

ASSET, TASK = "heart", digest({"task": "noisy"})
OPENS = frozenset({"open"})


@dataclass
class Accounts:
    """Does what a connector does with its accounts, and logs what the rest of it would log beside."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    time: object = BEGIN
    uses: int = 0
    releases: int = 0

    @property
    def local(self):
        return Local(NORTH, "https://north.example", SimpleNamespace(now=lambda: self.time), None)

    def later(self, **by):
        self.time += timedelta(**by)

    async def note(self, kind, **facts):
        await self.database.write(lambda tx: service.record(tx, Entry(kind, stamp(self.time), NORTH, facts)))

    async def account(self):
        return await self.database.read(lambda tx: tx.get(ACCOUNTS, ASSET))

    async def set(self, budget):
        await self.database.write(lambda tx: accounts.configure(tx, self.local, ASSET, budget))

    async def renew(self, vouched=""):
        account = await self.account()
        await self.database.write(lambda tx: accounts.renew(tx, self.local, account, vouched))

    async def freeze(self, mark):
        await self.database.write(lambda tx: accounts.freeze(tx, self.local, mark, 99))

    async def begin(self, rho, agreement="urn:agreement:1", opens=OPENS):
        """A use that takes what it costs, and is admitted."""
        self.uses += 1
        use = f"urn:transfer:{self.uses}"
        job = SimpleNamespace(id=use, asset=ASSET, agreement=agreement, user=COMPANY)
        asking = SimpleNamespace(visit=SimpleNamespace(job=job, task=TASK, now=self.time))
        await self.database.write(lambda tx: accounts.debit(tx, NORTH, asking, Cost(tuple(rho), opens=opens)))
        await self.ask(use, agreement, rho=str(sum(rho)))
        return use

    async def ask(self, use, agreement="urn:agreement:1", step="sum", **more):
        """One step that is admitted and released."""
        self.releases += 1
        admission = f"urn:admission:{self.releases}"
        facts = {
            "agreement": agreement,
            "transfer": use,
            "user": COMPANY,
            "asset": ASSET,
            "use_kind": "medspace:train",
        }
        facts |= {"purpose": "research", "task": TASK, "round": self.releases, "step": step, "question": TASK}
        await self.note("use.admitted", admission=admission, **facts, **more)
        said = {"release": f"urn:release:{self.releases}", "output": "sum", "round": self.releases}
        await self.note("use.released", admission=admission, **said, digest=digest([self.releases]))
        await self.database.write(lambda tx: accounts.let_out(tx, use, step))

    async def end(self, use, agreement="urn:agreement:1"):
        """It is over, and what it never let out comes back."""
        said = {"role": "provider", "pid": use, "counterparty": COMPANY}
        await self.note("transfer.completed", **said, agreement=agreement, format="medspace:train")
        await self.database.write(lambda tx: accounts.end(tx, use))
        await self.database.write(lambda tx: accounts.settle(tx, use, NORTH, stamp(self.time)))

    async def debit(self, use):
        return await self.database.read(lambda tx: tx.get(DEBITS, use))

    async def log(self):
        written = await self.database.read(lambda tx: tx.log.entries(0, tx.log.size()))
        return [decode(entry) for entry in written]


def read_of(origin, entries):
    """The log of somebody, read."""
    return statements.read(origin, [LogLine(index, entry) for index, entry in enumerate(entries)])


def audited(entries, signed=None, others=()):
    """What the audit says of the budgets of this log, beside `others`; every time that vouches is signed if not said.

    `others` are logs that were read.
    """
    if signed is None:
        signed = Signed(frozenset(entry.facts["vouched"] for entry in entries if "vouched" in entry.facts))
    logs = {one.origin: one for one in (read_of(NORTH, entries), *others)}
    kept = books(logs, signed)
    return summarise(check(kept), logs, len(entries), budgets=count(kept[0]))


def codes(entries):
    """The codes of what does not hold; nothing is left unproven beside it."""
    found = audited(entries).findings
    assert all(one.outcome is AuditOutcome.FAILED for one in found)
    return [one.code for one in found]


def failed(entries, others=()):
    """The codes of what does not hold, whatever cannot be proven beside it."""
    return [one.code for one in audited(entries, others=others).findings if one.outcome is AuditOutcome.FAILED]


def edited(entries, kind, number=0, *, without=(), **facts):
    """The log with one entry changed."""
    at = [index for index, entry in enumerate(entries) if entry.kind == kind][number]
    old = entries[at]
    kept = {name: value for name, value in old.facts.items() if name not in without}
    return [*entries[:at], Entry(old.kind, old.time, old.actor, kept | facts), *entries[at + 1 :]]


def dropped(entries, kind, number=0):
    """The log without one entry."""
    at = [index for index, entry in enumerate(entries) if entry.kind == kind][number]
    return [*entries[:at], *entries[at + 1 :]]


__all__ = ["Accounts", "audited", "codes", "dropped", "edited", "failed", "limits", "read_of"]
