"""What can be swapped: the clock, randomness, the database, the resolver of host names, the engines, the sources."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from medspace.adapters.http.dialling import Resolver, system_resolver
from medspace.adapters.runner import SYSTEM_CLOCK, Recipe
from medspace.adapters.sql import open_database
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.compose.conditions import CONDITIONS
from medspace.app.sources import SCHEMES, Scheme
from medspace.connector import model as connector_model
from medspace.connector.usage import model as usage_model
from medspace.connector.usage.conditions import Maker
from medspace.connector.usage.service import ALL_BRAKES, Makers
from medspace.core.clock import Clock, Randomness
from medspace.core.engine import Engine
from medspace.core.store import Collection, Database
from medspace.core.usage import Brakes
from medspace.ledger.model import CHECKPOINTS
from medspace.runs import model as learning_model
from medspace.runs.ports import Algorithm
from medspace.services.membership import model as membership_model
from medspace.trust import model as trust_model

COLLECTIONS: tuple[Collection[Any], ...] = (
    *connector_model.COLLECTIONS,
    *usage_model.COLLECTIONS,
    *trust_model.COLLECTIONS,
    *membership_model.COLLECTIONS,
    *learning_model.COLLECTIONS,
    CHECKPOINTS,
)


def _glm() -> Engine:
    from medspace.learning.glm.engine import GlmEngine  # noqa: PLC0415 - numpy is loaded for the first use, not at start

    return GlmEngine()


# What is served beside the data, by DSP format and name of task; each engine is made for its first use.
ENGINES: Makers = {("medspace:train", "glm"): _glm}


def _glm_algorithm() -> Algorithm:
    from medspace.learning.glm.service import GlmAlgorithm  # noqa: PLC0415 - numpy comes with it, and the inside

    return GlmAlgorithm()


# What runs can compute: each kind of task of its own room, and its line here. The first reads what names none.
ALGORITHMS: tuple[Callable[[], Algorithm], ...] = (_glm_algorithm,)


class ClosableDatabase(Database, Protocol):
    """A database that is closed at the end."""

    async def close(self) -> None:
        """Finish what waits, then let go."""
        ...


OpenDatabase = Callable[[str, Iterable[Collection[Any]]], ClosableDatabase]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a connector is made of, besides its configuration. `brakes` are all on, but in the tests of attacks."""

    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    engines: Makers = field(default_factory=lambda: ENGINES)
    algorithms: tuple[Callable[[], Algorithm], ...] = ALGORITHMS
    conditions: tuple[Maker, ...] = CONDITIONS
    open_database: OpenDatabase = open_database
    resolve: Resolver = system_resolver
    brakes: Brakes = ALL_BRAKES
    sources: Mapping[str, Scheme] = field(default_factory=lambda: SCHEMES)
    clock_again: Recipe = SYSTEM_CLOCK  # how the process of a step makes the clock
