"""Training over several hospitals: runs led here, runs led for others, and their models."""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import typer
    from fastapi import APIRouter
    from starlette.routing import Route

    from medspace.app.features.training.learning import Learning
    from medspace.app.features.training.sdk import TrainingClient
    from medspace.app.node.feature import Later
    from medspace.app.node.feeds import Watched
    from medspace.app.node.node import Node
    from medspace.app.node.pages import PortalPages
    from medspace.core.canonical import JsonObject
    from medspace.core.engine import Engine
    from medspace.core.store import Collection
    from medspace.runs.coordinating import Coordination
    from medspace.runs.ports import Algorithm


def _collections() -> "tuple[Collection[Any], ...]":
    from medspace.runs import model

    return model.COLLECTIONS


def _glm() -> "Engine":
    from medspace.learning.glm.engine import GlmEngine
    from medspace.learning.kinds import READERS

    return GlmEngine(READERS)


def _cox() -> "Engine":
    from medspace.learning.cox.engine import CoxEngine
    from medspace.learning.kinds import READERS

    return CoxEngine(READERS)


def _net() -> "Engine":
    from medspace.learning.kinds import READERS
    from medspace.learning.net.engine import NetEngine

    return NetEngine(READERS)


def _glm_algorithm() -> "Algorithm":
    from medspace.learning.glm.service import GlmAlgorithm

    return GlmAlgorithm()


def _cox_algorithm() -> "Algorithm":
    from medspace.learning.cox.service import CoxAlgorithm

    return CoxAlgorithm()


def _net_algorithm() -> "Algorithm":
    from medspace.learning.net.service import NetAlgorithm

    return NetAlgorithm()


def _codes() -> "frozenset[str]":
    from medspace.connector.codes import said_by
    from medspace.learning import errors
    from medspace.learning.cox import errors as cox
    from medspace.learning.glm import errors as glm
    from medspace.learning.net import errors as net

    return said_by(errors) | said_by(glm) | said_by(cox) | said_by(net)


def _service(node: "Node") -> "Learning":
    from medspace.app.features.training.learning import Learning

    return Learning(node)


def _routes(learning: "Learning") -> "APIRouter":
    from medspace.app.features.training.api import routes

    return routes(learning.runs, learning.choosing)


def _public(node: "Node", learning: "Later[Learning]") -> "list[Route]":
    from medspace.app.features.training.coordination import CoordinationDoor

    async def coordination() -> "Coordination":
        return (await learning()).coordination

    allowed = node.config.coordination.allows
    return CoordinationDoor(coordination, allowed, node.authenticate, node.did, node.changes).routes()


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.training import verbs
    from medspace.app.features.training.using import verbs as using

    for verb in (verbs.train, verbs.runs, verbs.model, using.predict, using.adapt, using.check_model):
        app.command(verb.__name__.replace("_", "-"))(verb)


def client() -> "type[TrainingClient]":
    """The methods of the SDK."""
    from medspace.app.features.training.sdk import TrainingClient

    return TrainingClient


async def _work(learning: "Learning") -> None:
    await learning.work()


def _watched(learning: "Learning") -> "Mapping[str, Watched]":
    from medspace.app.features.training.api import shown
    from medspace.app.node.feeds import Watched
    from medspace.app.node.language import speaker
    from medspace.core.actors import Scope
    from medspace.runs.model import RUNS

    async def show(run: str, language: str) -> "JsonObject":
        return await shown(learning.runs, run, speaker(language))

    return {"runs": Watched(RUNS, show, (Scope.READ, Scope.USE))}


def _pages() -> "PortalPages":
    from medspace.app.features.training.pages import PAGES

    return PAGES


FEATURE = Feature(
    name="training",
    collections=_collections,
    engines={("medspace:train", "glm"): _glm, ("medspace:train", "cox"): _cox, ("medspace:train", "net"): _net},
    algorithms=(_glm_algorithm, _cox_algorithm, _net_algorithm),
    codes=_codes,
    service=_service,
    routes=_routes,
    pages=_pages,
    public=_public,
    verbs=_verbs,
    local_verbs=("adapt", "check-model", "predict"),
    client=client,
    watched=_watched,
    work=_work,
)
