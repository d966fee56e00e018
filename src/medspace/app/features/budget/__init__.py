"""Privacy budgets of one's own datasets: shown, explained, renewed.

They are enforced with or without this feature.
"""

from typing import TYPE_CHECKING

from medspace.app.node.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer
    from fastapi import APIRouter

    from medspace.app.features.budget.sdk import BudgetClient
    from medspace.app.features.budget.service import Budgets
    from medspace.app.node.checks import Examination, HealthCheck
    from medspace.app.node.node import Node, Standing


def _service(node: "Node") -> "Budgets":
    from medspace.app.features.budget.service import budgets_of

    return budgets_of(node)


def _routes(budgets: "Budgets") -> "APIRouter":
    from medspace.app.features.budget.api import routes

    return routes(budgets)


def _verbs(app: "typer.Typer") -> None:
    from medspace.app.features.budget import verbs

    app.add_typer(verbs.app, name="budget")


def client() -> "type[BudgetClient]":
    """The methods of the SDK."""
    from medspace.app.features.budget.sdk import BudgetClient

    return BudgetClient


def _checks(examined: "Examination") -> "Iterator[HealthCheck]":
    from medspace.app.features.budget.spending import checks

    return checks(examined.config, examined.space.budgets() if examined.space else ())


async def _standing(budgets: "Budgets", dataset: str) -> "Standing":
    from medspace.app.features.budget.spending import standing

    return standing(await budgets.known(dataset))


FEATURE = Feature(
    name="budget",
    service=_service,
    routes=_routes,
    verbs=_verbs,
    client=client,
    checks=_checks,
    standing=_standing,
)
