"""Sites in this process: real engine, real rows, no network; each can be told to misbehave."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import msgspec
import numpy as np

from medspace.adapters.memory import ManualClock, MemoryDatabase, SeededRandomness
from medspace.core import dictionary as core_dictionary
from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.engine import COORDINATOR_SEES_SUMS
from medspace.core.errors import RefusedError
from medspace.core.material import Form
from medspace.core.signing import Ed25519Signer
from medspace.core.usage import Brakes, RowScope, Step, release_digest
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.outcome import read
from medspace.learning.glm.service import GlmAlgorithm
from medspace.runs.model import Seat
from medspace.runs.ports import Answer
from medspace.runs.service import Coordinator
from tests.admissions import admission
from tests.workplaces import workplace

PERSON = "person"  # the column that says whose a row is, where there is one
Columns = Mapping[str, Sequence[float] | Sequence[str | None]]


SIGNER = Ed25519Signer.from_seed(b"researcher".ljust(32))
OUTCOMES = ("num > 0",)


def dictionary_of(*tables):
    """What a holder of these columns would say of them: whole numbers or not, their range, their codes."""
    names = [name for name in tables[0] if name != PERSON]
    described = tuple(described_column(name, [v for table in tables for v in table[name]]) for name in names)
    outcomes = tuple(outcome for outcome in map(core_dictionary.outcome, OUTCOMES) if outcome.column in tables[0])
    return Dictionary("Rows", described, outcomes=outcomes)


def described_column(name, values):
    if any(isinstance(value, str) for value in values):
        return Column(name, ColumnType.CODE, codes=dict.fromkeys(sorted({v for v in values if v is not None}), ""))
    known = [float(value) for value in values if value is not None and math.isfinite(value)] or [0.0]
    kind = ColumnType.INTEGER if all(value == round(value) for value in known) else ColumnType.NUMBER
    return Column(name, kind, minimum=min(known), maximum=max(known))


@dataclass(frozen=True)
class TableRows:
    columns: Columns
    count: int
    described: Dictionary | None = None
    scope: tuple[RowScope, ...] = ()
    marked: dict[bytes, tuple[list[int], list[int]]] = field(default_factory=dict, compare=False)

    @property
    def form(self):
        return Form.TABLE

    @property
    def dictionary(self):
        return self.described or dictionary_of(self.columns)

    def persons(self):
        return copy(self.columns.get(PERSON, range(self.count)))

    def marks(self, key):
        if key not in self.marked:
            self.marked[key] = self._marks(key)
        return self.marked[key]

    def _marks(self, key):
        said = [repr(tuple(values[row] for values in self.columns.values())) for row in range(self.count)]
        return [mark(key, str(who)) for who in self.persons()], [mark(key, row) for row in said]

    def numbers(self, column):
        if column in self.columns and self._coded(column):
            raise RefusedError(reason=f"{column} holds codes")
        return np.asarray(self._open(column, coded=False), dtype=np.float64)

    def codes(self, column):
        values = self._open(column, coded=True)
        if any(isinstance(value, float) for value in values):
            raise RefusedError(reason=f"{column} holds numbers")
        return list(values)

    def _coded(self, column):
        return any(isinstance(value, str) for value in self.columns[column])

    def _open(self, column, *, coded):
        if column == self.dictionary.person:
            raise RefusedError(reason="it names persons")
        if column not in self.columns:
            raise ColumnUnknownError(column, coded=coded)
        return self.columns[column]


def mark(key, text):
    return int.from_bytes(blake2b(text.encode(), digest_size=8, key=key[:64]).digest())


@dataclass(frozen=True)
class TableSource:
    columns: Columns
    described: Dictionary | None = None

    @property
    def form(self):
        return Form.TABLE

    def open(self, allowed):
        count = len(next(iter(self.columns.values())))
        if not allowed.scope:
            return TableRows(self.columns, count, self.described)
        if {one.column for one in allowed.scope} - self.columns.keys():
            raise RefusedError(reason="the scope names a column that is not there")
        kept = [row for row in range(count) if all(self._lets_in(one, row) for one in allowed.scope)]
        columns = {name: [values[row] for row in kept] for name, values in self.columns.items()}
        return TableRows(columns, len(kept), self.described, allowed.scope)

    def _lets_in(self, scope, row):
        return (self.columns[scope.column][row] in scope.values) is scope.within


ALL_ON = Brakes()
EXACT = Brakes(rounding=False)  # for what is true of the sums themselves


Behaviour = Callable[[Step, Callable[[], Answer]], Awaitable[Answer]]


@dataclass
class SimulatedSites:
    """`tables` by DID; `behaviours` by DID replace how a site answers; `asked` records (site, round, step)."""

    tables: Mapping[str, Columns]
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    refusing_to_begin: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[str, int, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    shown: list[tuple[str, str]] = field(default_factory=list)  # (site, manifest)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of all seats, as each site got them
    engine: GlmEngine = field(default_factory=GlmEngine)
    brakes: Brakes = ALL_ON
    least: int = 1
    described: Dictionary | None = None
    opened: dict[str, TableRows] = field(default_factory=dict)

    def __post_init__(self):
        self.described = dictionary_of(*self.tables.values()) if self.tables else None

    def open(self, allowed):
        """The rows of a site, made once: a holder loads its table once too."""
        if allowed.asset not in self.opened:
            self.opened[allowed.asset] = TableSource(self.tables[allowed.asset], self.described).open(allowed)
        return self.opened[allowed.asset]

    async def begin(self, run, agreement, kind):
        site = agreement.removeprefix("urn:agreement:")
        if site in self.refusing_to_begin:
            raise self.refusing_to_begin[site]
        return f"urn:use:{site}"

    async def seat(self, use, manifest):
        self.shown.append((use.removeprefix("urn:use:"), manifest))
        return f"key of {use}"

    async def seated(self, use, keys):
        self.keys[use.removeprefix("urn:use:")] = tuple(keys)

    async def ask(self, use, step):
        site = use.removeprefix("urn:use:")
        self.asked.append((site, step.round, step.name))
        behaviour = self.behaviours.get(site)
        return (
            self.honest(site, step) if behaviour is None else await behaviour(step, lambda: self.honest(site, step))
        )

    async def end(self, use):
        self.ended.append(use)

    def honest(self, site, step):
        travelled = msgspec.json.decode(msgspec.json.encode(step), type=Step)
        allowed = admission(brakes=self.brakes, min_cohort=self.least, asset=site)
        output = self.engine.answer(allowed, travelled, workplace(self, allowed))
        values = msgspec.json.decode(msgspec.json.encode(output.values))
        return Answer(
            site=site,
            release=f"urn:release:{site}:{step.round}",
            round=step.round,
            kind=output.kind,
            values=values,
            cohort=output.cohort,
            digest=release_digest(output.kind, step.round, output.cohort, values),
        )


def did(index):
    return f"did:web:hospital-{index:03d}"


def seats(sites):
    return [Seat(site, f"urn:agreement:{site}", protection=COORDINATOR_SEES_SUMS) for site in sites]


def coordinator(sites, *, database=None, clock=None, **options):
    return Coordinator(
        database=database or MemoryDatabase(),
        sites=sites,
        clock=clock or ManualClock(),
        randomness=SeededRandomness(),
        actor="did:web:researcher",
        signer=SIGNER,
        algorithms=(GlmAlgorithm(),),
        **{"noted": str} | options,
    )


async def fitted(task, tables, brakes=ALL_ON, least=1, **options):
    """The model of an undisturbed run."""
    sites = SimulatedSites(tables, brakes=brakes, least=least)
    leader = coordinator(sites, **options)
    run = await leader.train(task, seats(tables))
    assert run.failure is None, str(run.failure.text)
    return await leader.model(run.id)


def coefficients(model):
    return np.array([float(term.coefficient) for term in read(model).terms])


def tampered(**changes):
    """A behaviour that changes values of the honest answer."""

    async def behave(step, honest):
        answer = honest()
        return replace(answer, values={**answer.values, **changes})

    return behave


def split(columns, assignment):
    """Rows dealt to sites: `assignment` has one site index per row."""
    chosen = np.asarray(assignment)
    return {
        did(index): {
            name: [values[row] for row in np.flatnonzero(chosen == index)] for name, values in columns.items()
        }
        for index in sorted(set(assignment))
    }
