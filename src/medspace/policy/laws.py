"""Rule packs: what laws demand of a use, as far as labels, parties and purposes decide it. Not legal advice.

The packs are data (`data/laws.toml`): each rule names its article and says which constraints must hold, in the
operands of terms. A label names the packs that apply to its asset; each of them can only restrict.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.policy import rules
from medspace.policy.actions import USE
from medspace.policy.data import table
from medspace.policy.model import Constraint, Logical, Policy, PolicyKind, Rule, UseRequest
from medspace.policy.operand import LISTED
from medspace.policy.operands import atomic
from medspace.policy.points import Point


@dataclass(frozen=True, slots=True)
class LawRule:
    """One rule: its article, what it demands in words, and the constraint that says it."""

    article: str
    words: str
    constraint: Constraint


@dataclass(frozen=True, slots=True)
class Law:
    """One pack: its name, what it is a reading of, and its rules."""

    name: str
    words: str
    rules: tuple[LawRule, ...]

    @property
    def code(self) -> str:
        """The code of a denial."""
        return _CODES[self.name]


def _rule(law: str, said: dict[str, Any]) -> LawRule:
    place = re.sub("[^a-z0-9]+", "-", said["article"].lower()).strip("-")
    clause = f"label.laws/{law}/{place}"
    parts = tuple(
        atomic(operand, comparison, tuple(values) if comparison in LISTED else (values[0],), clause)
        for operand, comparison, values in said["any"]
    )
    return LawRule(said["article"], said["words"], parts[0] if len(parts) == 1 else Logical("or", parts, clause))


def _law(said: dict[str, Any]) -> Law:
    return Law(said["name"], said["words"], tuple(_rule(said["name"], rule) for rule in said["rules"]))


@lru_cache(maxsize=1)
def laws() -> dict[str, Law]:
    """The packs, by name."""
    return {law.name: law for law in map(_law, table("laws"))}


NAMES = tuple(said["name"] for said in table("laws"))
# The code of a denial, by pack.
_CODES = {
    "ehds": "law.ehds",
    "gdpr-research": "law.gdpr_research",
    "china-personal-information": "law.china_personal_information",
    "china-large-or-critical": "law.china_large_or_critical",
    "china-state-organs": "law.china_state_organs",
    "china-data-security": "law.china_data_security",
    "china-genetic-resources": "law.china_genetic_resources",
}
CODES = frozenset(_CODES.values())


def decide(names: tuple[str, ...], request: UseRequest, point: Point) -> Decision:
    """Whether these packs allow what is asked, as far as it can be decided at this point; with none, they do.

    A denial has the code of the first pack that stands against it, and premises that name their articles.
    """
    decided = Decision(Verdict.PERMIT, "label.permitted")
    for name in names:
        decided = _decided(laws()[name], request, point)
        if not decided.permitted:
            break
    return decided


def _decided(law: Law, request: UseRequest, point: Point) -> Decision:
    """Each rule is a condition of a permission for whatever is asked."""
    premises: list[Premise] = []
    for rule in law.rules:
        policy = Policy(law.name, PolicyKind.OFFER, (Rule(USE, f"label.laws/{law.name}", (rule.constraint,)),))
        decision = rules.decide(policy, request, point)
        if not decision.permitted:
            return Decision(decision.verdict, law.code, tuple(_named(law, rule, one) for one in decision.premises))
        premises += [_named(law, rule, one) for one in decision.premises]
    return Decision(Verdict.PERMIT, "label.permitted", tuple(premises))


def _named(law: Law, rule: LawRule, premise: Premise) -> Premise:
    facts: dict[str, Any] = {"law": Text(law.words), "article": rule.article, "words": Text(rule.words)}
    asked = Text(msgid("{law}, {article}: {words} (a legal reading, not legal advice)."), facts)
    return Premise(premise.clause, asked, premise.held, premise.satisfied, premise.remedy)
