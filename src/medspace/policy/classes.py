"""The 21 usage policy classes of the International Data Spaces: how each is said here, and where it is enforced.

A class that is a duty of the other side is enforced only where a condition of this connector keeps that duty; of the
others it is said why not, and terms with them are refused.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.policy import odrl, templates, words
from medspace.policy.data import table
from medspace.policy.model import Policy
from medspace.policy.points import Point

TEMPLATE = "train-only"  # of the examples


@dataclass(frozen=True, slots=True)
class UsageClass:
    """One class: its name, what it is about, an example of its terms, and the point that enforces it.

    `duty` is the duty that it consists of, "" where it is a condition of the use; `why` says why that duty cannot be
    enforced on the other side.
    """

    name: str
    words: str
    terms: Mapping[str, Any]
    place: Point | None
    duty: str
    why: str

    def enforced(self, kept: Collection[str]) -> bool:
        """Whether a connector whose conditions keep these duties enforces it."""
        return self.duty in kept if self.duty else True

    @property
    def said(self) -> tuple[Text, ...]:
        """An example of it in plain words; a clause that has none is shown as it stands."""
        return tuple(words.describe(self.policy))

    @property
    def policy(self) -> Policy:
        """An example of it."""
        return odrl.parse(self.document)

    @property
    def document(self) -> JsonObject:
        """An example of it, as ODRL JSON."""
        built = templates.build(TEMPLATE, offer_id=f"urn:medspace:class:{self.name}", **self.terms)
        if self.duty:
            built["permission"] = [{**rule, "duty": [{"action": self.duty}]} for rule in built["permission"]]
        return built

    def place_words(self, kept: Collection[str]) -> Text:
        """Where it is enforced, or why it is not."""
        if not self.enforced(kept):
            return Text(msgid("Not enforced: {why}."), {"why": Text(self.why)})
        if self.place is None:
            return Text(msgid("A condition of this connector keeps it."))
        return Text(msgid("Enforced {place}."), {"place": self.place.words})


CLASSES = tuple(
    UsageClass(
        name=one["name"],
        words=one["words"],
        terms=one.get("terms", {}),
        place=Point[one["place"].upper()] if "place" in one else None,
        duty=one.get("duty", ""),
        why=one.get("why", ""),
    )
    for one in table("classes")
)
