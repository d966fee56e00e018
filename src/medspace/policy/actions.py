"""The actions that can be enforced, how they include one another, and the action behind each kind of use.

`medspace:` terms are the profile of this data space; `use` and `read` are ODRL's (ODRL Vocabulary 3.8).
"""

from collections.abc import Iterable, Mapping

from medspace.core.text import Text, msgid
from medspace.policy.data import table
from medspace.policy.hierarchy import Hierarchy
from medspace.policy.points import ROAD, Point

PROFILE = "urn:medspace:profile:1"
USE = "use"
DOWNLOAD = "medspace:download"

ACTIONS = Hierarchy.of(
    {
        USE: (),
        "read": (USE,),
        DOWNLOAD: ("read",),
        "medspace:train": (USE,),
        "medspace:statistics": (USE,),
        "medspace:score": (USE,),
        "medspace:synthesize": (USE,),
        "medspace:annotate": (USE,),
    }
)

WORDS: Mapping[str, Text] = {
    USE: Text(msgid("use the data")),
    "read": Text(msgid("read the data")),
    DOWNLOAD: Text(msgid("download the data")),
    "medspace:train": Text(msgid("train a model on the data")),
    "medspace:statistics": Text(msgid("compute statistics over the data")),
    "medspace:score": Text(msgid("run a model on the data")),
    "medspace:synthesize": Text(msgid("make synthetic data from the data")),
    "medspace:annotate": Text(msgid("annotate the data")),
}

# A use that runs at a job endpoint passes every point; one that hands out bytes is beyond our control after the
# transfer.
COMPUTED = frozenset(ACTIONS.ancestors) - {USE, "read", DOWNLOAD}

# No action is narrower than these: a request for any action at all is a request for one of them.
LEAVES = tuple(sorted(COMPUTED | {DOWNLOAD}))

# The duties that have a plain-language wording. Whether a duty is kept is up to the conditions of the connector that
# is asked to agree to it (`connector.usage.conditions`); a duty that no condition keeps is refused at negotiation.
DUTIES: Mapping[str, Text] = {
    "medspace:log": Text(msgid("Every use is written to the log of the data holder.")),
    "medspace:count": Text(msgid("Every use is counted by the data holder.")),
    "inform": Text(msgid("The data holder is told what became of each use.")),  # ODRL Vocabulary 3.9, as the next two
    "delete": Text(msgid("What was made with the data is deleted.")),
    "attribute": Text(msgid("The data holder is named as a source of each model.")),
    "medspace:report": Text(msgid("The data holder is told what each use did and made.")),
}

# The duties of usage policy classes that nothing here could make the other side keep, with the reason.
UNKEPT: Mapping[str, Text] = {one["duty"]: Text(one["why"]) for one in table("classes") if "why" in one}

BYTES = frozenset({"HttpData-PULL", "HttpData-PUSH"})  # formats in which rows leave


def action_of(kind: str) -> str:
    """The action behind a kind of use (a DSP format).

    An unknown format asks for the broadest action, `use`, so that only a permission for everything, without any
    prohibition, covers it.
    """
    if kind in COMPUTED:
        return kind
    return DOWNLOAD if kind in BYTES else USE


def last_point(action: str) -> Point:
    """The last enforcement point at which a use by this action is decided."""
    return Point.RELEASE if action in COMPUTED else Point.TRANSFER


def points_of(kinds: Iterable[str]) -> tuple[Point, ...]:
    """The enforcement points that every one of these kinds of use (DSP formats) passes."""
    last = min((last_point(action_of(kind)) for kind in kinds), default=Point.NEGOTIATION)
    return ROAD if last is Point.RELEASE else ROAD[: last + 1]  # what ran here is still in our hands afterwards


def covers(allowed: str, asked: str) -> bool:
    """Whether a permission for `allowed` covers the action `asked`."""
    return ACTIONS.within(asked, allowed) is True


def touches(forbidden: str, asked: str) -> bool:
    """Whether a prohibition of `forbidden` applies to the action `asked`: either one includes the other."""
    return ACTIONS.within(asked, forbidden) is not False


def words(action: str) -> Text:
    """An action as the end of the sentence "You may ..."."""
    return WORDS.get(action) or Text(msgid("do what is called {action}"), {"action": action})
