"""Actions, collections and kinds of ODRL as transitive closures; what would contain itself is refused."""

from collections.abc import Iterable, Mapping

from medspace.core.text import Text, msgid
from medspace.policy.actions import ACTIONS
from medspace.policy.errors import ActionCycleError, CollectionCycleError, PolicyCycleError, PolicyTooLargeError
from medspace.policy.evaluation.model import ActionTree

MOST_PAIRS = 100_000
Direct = Mapping[str, Iterable[str]]

# The actions of the ODRL Core and Common Vocabulary (ODRL Vocabulary 3.8, 4.8) by what they are included in.
_INCLUDED: Mapping[str, str] = {
    "use": (
        "acceptTracking aggregate annotate anonymize archive attribute compensate concurrentUse delete derive "
        "digitize distribute ensureExclusivity execute grantUse include index inform install modify move nextPolicy "
        "obtainConsent play present print read reproduce reviewPolicy stream synchronize textToSpeech transform "
        "translate uninstall watermark cc:Attribution cc:CommercialUse cc:CommericalUse cc:DerivativeWorks "
        "cc:Distribution cc:Notice cc:Reproduction cc:ShareAlike cc:Sharing cc:SourceCode"
    ),
    "transfer": "give sell",
    "play": "display",
    "reproduce": "extract",
}


def _standard() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {"use": (), "transfer": ()}
    found |= {action: (broad,) for broad, listed in _INCLUDED.items() for action in listed.split()}
    # The kinds of use of this data space; `use` and `read` are in both, with the same meaning.
    return found | {action: tuple(broad) for action, broad in ACTIONS.ancestors.items() if action not in found}


STANDARD = _standard()


def closed(direct: Direct, error: type[PolicyCycleError]) -> dict[str, frozenset[str]]:
    """Each name with all that it leads to, itself excluded.

    Raises:
        PolicyCycleError: as `error`: a name leads back to itself.
        PolicyTooLargeError: more than 100,000 pairs of a name and one that it leads to.
    """
    made: dict[str, frozenset[str]] = {}
    pairs = 0
    for start in direct:
        seen: set[str] = set()
        left = list(direct[start])
        while left:
            name = left.pop()
            if name in seen:
                continue
            if name == start:
                raise error(name=start)
            seen.add(name)
            pairs += 1
            if pairs > MOST_PAIRS:  # a chain of n names has n * n / 2 of them
                raise PolicyTooLargeError(most=MOST_PAIRS, what=Text(msgid("steps from one name to another")))
            left += made.get(name) or direct.get(name, ())
        made[start] = frozenset(seen)
    return made


def actions(included: Direct, implied: Direct) -> ActionTree:
    """The actions of ODRL and of this data space together with those that a policy declares.

    Raises:
        ActionCycleError: an action would include or imply itself.
    """
    if not included and not implied:
        return _TREE
    direct = {**{name: (*STANDARD.get(name, ()), *broad) for name, broad in included.items()}}
    return ActionTree(closed({**STANDARD, **direct}, ActionCycleError), closed(implied, ActionCycleError))


def collections(direct: Direct) -> dict[str, frozenset[str]]:
    """Each thing with all collections that it is part of.

    Raises:
        CollectionCycleError: a collection would contain itself.
    """
    return closed(direct, CollectionCycleError)


_TREE = ActionTree(closed(STANDARD, ActionCycleError), {})
