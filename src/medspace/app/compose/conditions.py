"""The conditions of every use, in the order in which their reasons are reported: to add one, add a line here."""

from collections.abc import Iterable

from medspace.connector.usage.conditions import Condition, Grounds, Maker
from medspace.connector.usage.conditions.agreement import AgreementCondition
from medspace.connector.usage.conditions.budget import BudgetCondition
from medspace.connector.usage.conditions.ended import EndedCondition
from medspace.connector.usage.conditions.label import LabelCondition
from medspace.connector.usage.conditions.numbers import NumbersCondition
from medspace.connector.usage.conditions.questions import QuestionsCondition
from medspace.connector.usage.conditions.seats import SeatsCondition
from medspace.connector.usage.conditions.sites import SitesCondition
from medspace.connector.usage.conditions.step import StepCondition


def in_order(features: Iterable[Maker]) -> tuple[Maker, ...]:
    """All conditions with those of features; one that keeps a route says more than the agreement that asks for it."""
    known = tuple(features)
    keeping = tuple(make for make in known if getattr(make, "routes", None))
    return (*FIRST, *keeping, *NEXT, *(make for make in known if make not in keeping))


def _agreement(_: Grounds) -> Condition:
    return AgreementCondition()


def _ended(_: Grounds) -> Condition:
    return EndedCondition()


FIRST: tuple[Maker, ...] = (_ended,)
NEXT: tuple[Maker, ...] = (
    _agreement,
    LabelCondition,
    StepCondition,
    SeatsCondition,
    BudgetCondition,
    SitesCondition,
    QuestionsCondition,
    NumbersCondition,
)
CONDITIONS = (*FIRST, *NEXT)
