"""The privacy budgets of the configuration: parsed, and written into the offers of their assets."""

from math import isfinite

from medspace.app.node.config import Asset, Offer, PrivacyBudget
from medspace.connector.usage.model import BudgetLimits
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.text import Text, msgid
from medspace.policy.actions import DOWNLOAD
from medspace.policy.budgets import EVENT, decimal
from medspace.policy.templates import NOISE, TEMPLATES
from medspace.privacy.noise.accounting import rho_of


class AssetBudgetError(InvalidInputError):
    """The privacy budget of an asset limits nothing."""

    code = "budget.invalid"
    sentence = msgid("The privacy budget of {asset} cannot be used: {reason}.")
    next_step = msgid(
        "Fix `budget` of the dataset in the configuration, such as epsilon = 1.0 with delta = 0.00001: "
        "docs/operations.md says what each number means."
    )


def limits_of(asset: Asset) -> BudgetLimits | None:
    """The budget of an asset in its stored form; None where it has none.

    Raises:
        AssetBudgetError: one of its numbers has no meaning.
    """
    said = asset.budget
    if said is None:
        return None
    if not (isfinite(said.warn) and 0 < said.warn <= 1):
        raise AssetBudgetError(
            asset=asset.id, reason=Text(msgid("warn is a share of the year, above 0 and at most 1"))
        )
    agreement = said.epsilon if said.agreement is None else said.agreement
    task = agreement if said.task is None else said.task
    year, of_agreement, of_task = (_rho(asset.id, epsilon, said) for epsilon in (said.epsilon, agreement, task))
    return BudgetLimits(
        epsilon=said.epsilon,
        of_agreement=agreement,
        of_task=task,
        delta=said.delta,
        year=year,
        agreement=of_agreement,
        task=of_task,
        unit=said.unit,
        exact=said.exact,
        warn=said.warn,
    )


def _rho(asset: str, epsilon: float, said: PrivacyBudget) -> int:
    try:
        return rho_of(epsilon, said.delta)
    except MedspaceError as error:
        raise AssetBudgetError(asset=asset, reason=error.text) from error


def check_delta(asset: str, budget: BudgetLimits | None, persons: int) -> None:
    """Refuse a delta that would allow disclosing everything about one of this many persons.

    Raises:
        AssetBudgetError: it is more than 1 / persons.
    """
    if budget is not None and budget.delta * persons > 1:
        reason = Text(msgid("delta is more than 1 / {persons}, one of its persons"), {"persons": persons})
        raise AssetBudgetError(asset=asset, reason=reason)


def offered(asset: Asset, offer: Offer) -> JsonObject:
    """The terms of an offer: its own, completed by the budget of the asset where they leave it open.

    An asset that still gives exact answers is offered with noise only where its terms say so.
    """
    said, terms = asset.budget, dict(offer.terms)
    template = TEMPLATES.get(offer.template)
    computes = template is not None and any(action != DOWNLOAD for action in template.permits)
    noisy = any(name in terms for name in NOISE)
    if said is None or not computes or (said.exact and not noisy):
        return terms
    if not noisy:
        terms["epsilon"] = decimal(said.epsilon if said.agreement is None else said.agreement)
        terms |= {} if said.task is None else {"epsilon_per_task": decimal(said.task)}
    terms.setdefault("delta", decimal(said.delta))
    return terms | ({"unit": EVENT} if said.unit == EVENT and "unit" not in terms else {})
