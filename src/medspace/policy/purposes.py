"""Purposes: a small closed vocabulary with broader purposes, so that a narrower purpose is recognised.

Terms are from the Data Privacy Vocabulary 2.3 (`dpv:`), its extension for the European Health Data Space (`ehds:`,
the purposes of Regulation (EU) 2025/327, Article 53(1)) and the Data Use Ontology (`DUO:`); they and our wording are
in `data/purposes.toml`. A
purpose is named by its IRI, by its short form, or (except for `DUO:`) by its short form without the prefix; all are
equivalent, and policies built here carry the IRI.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

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

DISEASE = "DUO:0000007"  # research on a certain disease, which codes of ICD-10 name: DUO:0000007/I00-I99
_CODE = r"[A-Z][0-9]{2}(?:\.[0-9]{1,2})?"
_DISEASES = re.compile(rf"(?P<base>.+)/(?P<first>{_CODE})(?:-(?P<last>{_CODE}))?", re.ASCII)


@lru_cache(maxsize=1_024)
def _diseases(name: str) -> tuple[str, str] | None:
    """The first and last code of ICD-10 that a purpose in short form is about; None where it names none.

    A code stands for all that it is divided into, so that the last one is followed by whatever comes after it.
    """
    found = _DISEASES.fullmatch(name) if name.startswith(f"{DISEASE}/") else None
    if found is None:
        return None
    first, last = found["first"].replace(".", ""), (found["last"] or found["first"]).replace(".", "")
    return first, last + "~"


class Purposes(Hierarchy):
    """The purposes, and research on diseases by ranges of codes."""

    def __contains__(self, term: object) -> bool:
        """Whether it is a purpose in its short form."""
        return super().__contains__(term) or (isinstance(term, str) and _diseases(term) is not None)

    def within(self, narrow: str, wide: str) -> bool | None:
        """As `Hierarchy.within`; of two ranges of diseases, None where they only overlap."""
        one, other = _diseases(narrow), _diseases(wide)
        if one is None and other is None:
            return super().within(narrow, wide)
        if other is None:
            return super().within(DISEASE, wide)
        if one is None:
            return None if super().within(narrow, DISEASE) is not False else False
        if other[0] <= one[0] and one[1] <= other[1]:
            return True
        return False if one[1] < other[0] or other[1] < one[0] else None

    def same(self, held: str, named: str) -> bool | None:
        """As `Hierarchy.same`."""
        return True if held == named and held in self else super().same(held, named)


PURPOSES = Purposes.of({purpose.name: purpose.broader for purpose in VOCABULARY})


def canonical(name: str) -> str | None:
    """The short form of a purpose, whichever way it is named; None where it is unknown."""
    purpose = _BY_NAME.get(name)
    if purpose is not None:
        return purpose.name
    found = _DISEASES.fullmatch(name)
    base = None if found is None else _BY_NAME.get(found["base"])
    if found is None or base is None or base.name != DISEASE:
        return None
    last = found["last"]
    short = f"{DISEASE}/{found['first']}" + (f"-{last}" if last else "")
    return short if last is None or found["first"] <= last else None


def iri(name: str) -> str:
    """The IRI of a purpose, whichever way it is named; any other name unchanged."""
    short = canonical(name)
    if short is None:
        return name
    base, slash, codes = short.partition("/")
    return _BY_NAME[base].iri + slash + codes


def words(name: str) -> Text:
    """The name of a purpose for people; an unknown one is shown as written."""
    short = canonical(name) or ""
    if _diseases(short) is not None:
        return Text(msgid("research on the disease {codes} (ICD-10)"), {"codes": short.partition("/")[2]})
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
