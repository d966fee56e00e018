"""The replaceable parts: features, clock, randomness, database, name resolver, engines, conditions, sources."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from medspace.adapters.http.dialling import Resolver, system_resolver
from medspace.adapters.runner import SYSTEM_CLOCK, Recipe
from medspace.adapters.sql import History, open_database
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.app.compose.conditions import in_order
from medspace.app.compose.features import FEATURES
from medspace.app.node.feature import Feature
from medspace.app.node.sources import SCHEMES, Scheme
from medspace.connector import model as connector_model
from medspace.connector.usage import model as usage_model
from medspace.connector.usage.conditions import Maker
from medspace.connector.usage.service import ALL_BRAKES, Makers
from medspace.core.clock import Clock, Randomness
from medspace.core.store import Collection, Database
from medspace.core.usage import Brakes
from medspace.ledger.model import CHECKPOINTS
from medspace.runs.ports import Algorithm
from medspace.services.membership import model as membership_model
from medspace.services.tokens import model as token_model
from medspace.trust import model as trust_model

ROAD: tuple[Collection[Any], ...] = (
    *connector_model.COLLECTIONS,
    *usage_model.COLLECTIONS,
    *trust_model.COLLECTIONS,
    *membership_model.COLLECTIONS,
    *token_model.COLLECTIONS,
    CHECKPOINTS,
)


def collections_of(features: Iterable[Feature[Any]]) -> tuple[Collection[Any], ...]:
    """The collections of the road, and those of these features."""
    return (*ROAD, *(one for feature in features for one in feature.collections()))


def histories_of(features: Iterable[Feature[Any]]) -> list[History]:
    """The migrations of the features themselves."""
    return [History(one.name, one.migrations) for one in features if one.migrations is not None]


COLLECTIONS = collections_of(FEATURES)
# The features whose tables are created by the migrations of `adapters.sql`.
IN_ROOMS = collections_of(feature for feature in FEATURES if feature.migrations is None)
# What is served near the data, by DSP format and task name; each engine is created on first use.
ENGINES: Makers = {kind: make for feature in FEATURES for kind, make in feature.engines.items()}
# What runs can compute; the first is the default for a task that names none.
ALGORITHMS = tuple(make for feature in FEATURES for make in feature.algorithms)
SOURCES: Mapping[str, Scheme] = {
    **SCHEMES,
    **{scheme: opens for feature in FEATURES for scheme, opens in feature.sources.items()},
}
ALL_CONDITIONS = in_order(make for feature in FEATURES for make in feature.conditions())


class ClosableDatabase(Database, Protocol):
    """A database that is closed at the end."""

    async def close(self) -> None:
        """Finish pending work, then close."""
        ...


OpenDatabase = Callable[[str, Iterable[Collection[Any]]], ClosableDatabase]


@dataclass(frozen=True, slots=True)
class ConnectorParts:
    """What a connector is made of, apart from its configuration. `brakes` are all on, except in attack tests."""

    features: tuple[Feature[Any], ...] = FEATURES
    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    engines: Makers = field(default_factory=lambda: ENGINES)
    algorithms: tuple[Callable[[], Algorithm], ...] = ALGORITHMS
    conditions: tuple[Maker, ...] = ALL_CONDITIONS
    open_database: OpenDatabase = open_database
    resolve: Resolver = system_resolver
    brakes: Brakes = ALL_BRAKES
    sources: Mapping[str, Scheme] = field(default_factory=lambda: SOURCES)
    clock_again: Recipe = SYSTEM_CLOCK  # how the process of a step creates its clock
