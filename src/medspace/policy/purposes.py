"""Purposes: a small closed vocabulary with broader purposes, so that a narrower purpose is recognised.

Terms are from the Data Privacy Vocabulary 2.3 (`dpv:`), its extension for the European Health Data Space (`ehds:`,
the purposes of Regulation (EU) 2025/327, Article 53(1)) and the Data Use Ontology (`DUO:`); they and our wording are
in `data/purposes.toml`. A
purpose is named by its IRI, by its short form, or (except for `DUO:`) by its short form without the prefix; all are
equivalent, and policies built here carry the IRI.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from medspace.core.text import Fact, Text, msgid
from medspace.policy.data import table
from medspace.policy.hierarchy import Hierarchy

_PREFIXES = {
    "dpv": "https://w3id.org/dpv#",
    "ehds": "https://w3id.org/dpv/legal/eu/ehds#",
    "DUO": "http://purl.obolibrary.org/obo/DUO_",
}


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose: its short form, its name for people, and its direct broader purposes."""

    name: str
    words: str
    broader: tuple[str, ...] = ()

    @property
    def iri(self) -> str:
        """The full IRI."""
        prefix, local = self.name.split(":")
        return _PREFIXES[prefix] + local


VOCABULARY = tuple(Purpose(one["name"], one["words"], tuple(one.get("broader", ()))) for one in table("purposes"))

_BY_NAME = {
    name: purpose
    for purpose in VOCABULARY
    for name in (purpose.name, purpose.iri, purpose.name.partition(":")[2])
    if not name.isdecimal()  # DUO's numbers need the prefix
}

PURPOSES = Hierarchy.of({purpose.name: purpose.broader for purpose in VOCABULARY})


def canonical(name: str) -> str | None:
    """The short form of a purpose, whichever way it is named; None where it is unknown."""
    purpose = _BY_NAME.get(name)
    return None if purpose is None else purpose.name


def iri(name: str) -> str:
    """The IRI of a purpose, whichever way it is named; any other name unchanged."""
    purpose = _BY_NAME.get(name)
    return name if purpose is None else purpose.iri


def words(name: str) -> Text:
    """The name of a purpose for people; an unknown one is shown as written."""
    purpose = _BY_NAME.get(name)
    return Text(msgid("{purpose}"), {"purpose": name}) if purpose is None else Text(purpose.words)


def meant(text: str, languages: Iterable[Callable[[str], str]]) -> str | None:
    """The short form of a purpose by one of its names, or by what it is called in one of these languages."""
    found = canonical(text.strip())
    if found is not None:
        return found
    said = _folded(text)
    named = ((purpose, say) for say in languages for purpose in VOCABULARY)
    return next((purpose.name for purpose, say in named if _folded(say(purpose.words)) == said), None)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def known() -> Text:
    """All purposes, each with what it is called."""
    found = Text(msgid("{name} ({words})"), _shown(VOCABULARY[0]))
    for purpose in VOCABULARY[1:]:
        one = Text(msgid("{name} ({words})"), _shown(purpose))
        found = Text(msgid("{first}; {rest}"), {"first": found, "rest": one})
    return found


def _shown(purpose: Purpose) -> dict[str, Fact | Text]:
    return {"name": purpose.name, "words": Text(purpose.words)}
