"""The dry run: what would be decided, and what would change the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.core.decision import Decision, combine
from medspace.core.text import Text
from medspace.policy import labels, rules, words
from medspace.policy.masks import MaskingTerms, masks
from medspace.policy.model import Label, Policy, UseRequest
from medspace.policy.points import Point


@dataclass(frozen=True, slots=True)
class DryRun:
    """A decision without effects, the terms in words, and what would change the answer.

    `masks` is what masks guarantee under the terms; None where the terms do not name masks.
    """

    decision: Decision
    terms: tuple[Text, ...]
    remedies: tuple[Text, ...]
    masks: MaskingTerms | None = None


def dry_run(
    policy: Policy,
    label: Label | None,
    request: UseRequest,
    point: Point = Point.TRANSFER,
    beside: Sequence[Decision] = (),
) -> DryRun:
    """What the policy and the label would say to the request at a point, without asking anybody.

    `beside` is what others have decided on it: all must permit.

    At the transfer all that is stated is decided, and what is not stated yet is left to its point; from the
    start of the use on, whatever is not stated is denied.
    """
    return foreign_run(policy, request, point, (labels.decide(label, request, point), *beside))


def foreign_run(
    policy: Policy, request: UseRequest, point: Point = Point.TRANSFER, beside: Sequence[Decision] = ()
) -> DryRun:
    """As `dry_run`, for terms on the data of another holder, who alone knows their label."""
    decision = combine(rules.decide(policy, request, point), *beside)
    against = () if decision.permitted else decision.failures
    remedies = {str(premise.remedy): premise.remedy for premise in against if premise.remedy}
    promised = next(filter(None, map(masks, policy.permissions)), None)
    return DryRun(decision, tuple(words.describe(policy)), tuple(remedies.values()), promised)
