"""Any sequence of units leaves memory and SQLite in the same state, with the same answers and the same errors."""

import asyncio
import shutil
import tempfile
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from medspace.adapters.memory import MemoryDatabase
from medspace.adapters.sql import create, open_database
from medspace.core.errors import MedspaceError
from medspace.ledger.merkle import fold, span_nodes
from tests.contract.records import CASES, COLLECTIONS, Case, Phase

IDS = st.sampled_from(["a", "b", "c", "d/1", "d/2", "É", "\U0001f600", ""])
PEERS = st.sampled_from([None, "p", "q", "p\0"])
RECORDS = st.builds(
    Case,
    IDS,
    st.sampled_from(Phase),
    PEERS,
    st.integers(-2, 2),
    st.none() | st.integers(-1, 1),
    message=st.dictionaries(st.text(max_size=2), st.integers() | st.text(max_size=2), max_size=2),
    weights=st.lists(st.floats(), max_size=1).map(tuple),
)
KEYS = ("id", "phase", "peer", "rank", "due", "owner")
VALUES = st.none() | st.integers(-2, 2) | IDS | PEERS


def insert(record):
    return lambda tx: tx.insert(CASES, record)


def change(record, **changes):
    return lambda tx: tx.replace(CASES, record, replace(record, **changes))


def delete(record):
    return lambda tx: tx.delete(CASES, record)


def append(entry):
    return lambda tx: tx.log.append(entry)


def fail(_):
    raise LookupError


STEPS = st.one_of(
    RECORDS.map(insert),
    st.builds(lambda record, peer, due: change(record, peer=peer, due=due), RECORDS, PEERS, st.integers(-1, 1)),
    RECORDS.map(delete),
    st.binary(max_size=3).map(append),
)
ENDS = st.sampled_from([lambda tx: None, lambda tx: None, fail])


def unit(steps, *, stubborn):
    """Runs the steps; a stubborn unit goes on after an error of a step."""

    def work(tx):
        answers = []
        for step in steps:
            try:
                answers.append(step(tx))
            except MedspaceError as error:
                if not stubborn:
                    raise
                answers.append(error.code)
        return answers, everything(tx)

    return work


def everything(tx):
    size = tx.log.size()
    return tx.find(CASES), list(tx.log.entries(0, size)), fold(tx.log.hashes(span_nodes(0, size)))


class Machine(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.folder = tempfile.mkdtemp()
        self.url = f"sqlite:///{self.folder}/connector.db"
        create(self.url, COLLECTIONS)
        self.runner = asyncio.Runner()
        self.runner.run(self._open())
        self.memory = MemoryDatabase()

    async def _open(self):
        self.sqlite = open_database(self.url, COLLECTIONS)

    def teardown(self):
        if hasattr(self, "runner"):
            self.runner.run(self.sqlite.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    @rule(steps=st.lists(STEPS, max_size=5), end=ENDS, stubborn=st.booleans())
    def write_one(self, steps, end, stubborn):
        self._both([unit([*steps, end], stubborn=stubborn)])

    @rule(units=st.lists(st.tuples(st.lists(STEPS, max_size=3), ENDS), min_size=2, max_size=6))
    def write_many_at_once(self, units):
        self._both([unit([*steps, end], stubborn=False) for steps, end in units])

    @precondition(lambda self: self.memory._state.tables.get("cases"))
    @rule(data=st.data(), due=st.none() | st.integers(-1, 1), peer=PEERS)
    def change_what_is_there(self, data, due, peer):
        records = self.runner.run(self.memory.read(lambda tx: tx.find(CASES)))
        record = data.draw(st.sampled_from(records))
        self._both([unit([change(record, due=due, peer=peer)], stubborn=True)])

    @rule(
        where=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2),
        order_by=st.sampled_from(["id", "due", "rank", "owner"]),
        after=VALUES,
        descending=st.booleans(),
        limit=st.integers(-1, 4),
    )
    def find(self, where, order_by, after, descending, limit):
        if after is not None and isinstance(after, str) != (order_by in {"id", "owner"}):
            after = None
        where = {name: value for name, value in where.items() if isinstance(value, int) == (name in {"rank", "due"})}
        search = {"where": where, "order_by": order_by, "after": after, "descending": descending, "limit": limit}
        self._same(*(self.runner.run(each.read(lambda tx: tx.find(CASES, **search))) for each in self._databases()))

    @rule()
    def restart(self):
        self.runner.run(self.sqlite.close())
        self.runner.run(self._open())

    @invariant()
    def nothing_differs(self):
        if hasattr(self, "runner"):
            self._same(*(self.runner.run(each.read(everything)) for each in self._databases()))

    def _databases(self):
        return self.memory, self.sqlite

    def _both(self, works):
        self._same(*(self.runner.run(outcomes(each, works)) for each in self._databases()))

    def _same(self, memory, sqlite):
        assert memory == sqlite


async def outcomes(database, works):
    done = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    return [
        (type(result), getattr(result, "facts", None)) if isinstance(result, Exception) else result for result in done
    ]


TestMemoryAndSqlite = Machine.TestCase
TestMemoryAndSqlite.settings = settings(max_examples=25, stateful_step_count=8, deadline=None)
