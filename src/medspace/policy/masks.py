"""What masks guarantee under given terms: how many sites are needed and which of them are trusted, in plain words.

The numbers are those of `privacy.masking.thresholds`; a test compares the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from medspace.core.engine import MASKED_GROUPS, MASKED_SUMS
from medspace.core.text import Fact, Text, counted, msgid
from medspace.policy.model import Atomic, Policy, Rule, leaves

COLLUDERS = 1  # where the terms do not say how many sites may disclose what they see
LEAST_SITES = 3  # honest sites in a sum: if there were two, each could subtract its own part and read the other's
LEAST_GROUPS = 3  # where each site is hidden in the sum of its group
PROTECTION, OTHERS, SITES = "medspace:protection", "medspace:colluders", "medspace:minSites"


@dataclass(frozen=True, slots=True)
class MaskingTerms:
    """`colluders` is how many of the other sites in a run may disclose what they see.

    `sites` is the minimum for a run.
    """

    colluders: int
    sites: int

    @property
    def promise(self) -> Text:
        """In plain words: who must be honest, and how many sites that takes."""
        facts: dict[str, Fact | Text] = {"sites": self.sites}
        if not self.colluders:
            sentence = msgid(
                "That hides each data holder as long as every other one taking part is honest, whatever user and "
                "coordinator do. It takes at least {sites} data holders."
            )
            return Text(sentence, facts)
        facts["others"] = counted(
            self.colluders,
            msgid("at most {count} of the others tells what it sees"),
            msgid("at most {count} of the others tell what they see"),
        )
        sentence = msgid(
            "That hides each data holder as long as {others}, whatever user and coordinator do. It takes at least "
            "{sites} data holders."
        )
        return Text(sentence, facts)


def masks(rule: Rule) -> MaskingTerms | None:
    """What masks guarantee under a permission; None where its terms do not name masks."""
    named = {name for protection in _plain(rule, PROTECTION) for name in protection.right}
    if not named & {MASKED_SUMS, MASKED_GROUPS}:
        return None
    colluders = max(_numbers(rule, OTHERS), default=COLLUDERS)
    sites = max(LEAST_SITES, *_numbers(rule, SITES), 0) + colluders
    return MaskingTerms(colluders, sites if MASKED_SUMS in named else LEAST_GROUPS * sites)


def said_by_masks(rule: Rule, constraint: object) -> bool:
    """Whether the sentence on masks covers this constraint already: it asks for no more than masks do anyway."""
    if masks(rule) is None:
        return False
    implied = (one for one in _plain(rule, SITES) if int(one.right[0]) < LEAST_SITES)
    return any(constraint is one for one in (*_plain(rule, OTHERS), *implied))


def protection(policy: Policy) -> str:
    """The protection that the terms name first; the one of masks where they leave it open."""
    found = (leaf for rule in policy.permissions for leaf in leaves(rule.constraints) if leaf.operand == PROTECTION)
    return next((leaf.right[0] for leaf in found), MASKED_SUMS)


def _plain(rule: Rule, operand: str) -> Iterator[Atomic]:
    """The constraints of a rule on an operand that apply unconditionally."""
    for constraint in rule.constraints:
        if isinstance(constraint, Atomic) and constraint.operand == operand:
            yield constraint


def _numbers(rule: Rule, operand: str) -> list[int]:
    return [int(leaf.right[0]) for leaf in leaves(rule.constraints) if leaf.operand == operand]
