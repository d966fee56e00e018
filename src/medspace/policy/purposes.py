"""Purposes: a small closed vocabulary with broader purposes, so that a narrower purpose is recognised.

Terms are from the Data Privacy Vocabulary 2.3 (`dpv:`), its extension for the European Health Data Space (`ehds:`,
the purposes of Regulation (EU) 2025/327, Article 53(1)) and the Data Use Ontology (`DUO:`); the wording is ours. A
purpose is named by its IRI, by its short form, or (except for `DUO:`) by its short form without the prefix; all are
equivalent, and policies built here carry the IRI.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from medspace.core.text import Fact, Text, msgid
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


VOCABULARY = (
    Purpose("dpv:ResearchAndDevelopment", msgid("research and development")),
    Purpose("dpv:ScientificResearch", msgid("scientific research"), ("dpv:ResearchAndDevelopment",)),
    Purpose("dpv:AcademicResearch", msgid("academic research"), ("dpv:ResearchAndDevelopment",)),
    Purpose("dpv:CommercialResearch", msgid("commercial research"), ("dpv:ResearchAndDevelopment",)),
    Purpose("dpv:NonCommercialResearch", msgid("non-commercial research"), ("dpv:ResearchAndDevelopment",)),
    # Article 53(1)(e): research, including the training, testing and evaluation of algorithms
    Purpose("ehds:HealthcareScientificResearch", msgid("health research"), ("dpv:ScientificResearch",)),
    Purpose(
        "ehds:TrainTestAndEvaluateAISystemsAlgorithms",
        msgid("training, testing and evaluating medical algorithms"),
        ("ehds:HealthcareScientificResearch",),
    ),
    Purpose("dpv:PublicBenefit", msgid("the benefit of the public")),
    Purpose("dpv:ImproveHealthcare", msgid("better health care"), ("dpv:PublicBenefit",)),  # (f)
    Purpose("ehds:EnsureQualitySafetyHealthcare", msgid("quality and safety of health care"), ("dpv:PublicBenefit",)),
    Purpose("ehds:PublicHealthSurveillance", msgid("public health surveillance"), ("dpv:PublicBenefit",)),  # (a)
    Purpose("dpv:PublicPolicyMaking", msgid("public policy making")),  # (b)
    Purpose("dpv:ProvideOfficialStatistics", msgid("official statistics")),  # (c)
    Purpose("dpv:EducationalTraining", msgid("education and training")),  # (d)
    Purpose("dpv:Marketing", msgid("marketing")),  # Article 54 forbids these two
    Purpose("dpv:DirectMarketing", msgid("direct marketing"), ("dpv:Marketing",)),
    Purpose("dpv:Advertising", msgid("advertising"), ("dpv:Marketing",)),
    Purpose("DUO:0000042", msgid("any research")),
    Purpose("DUO:0000006", msgid("health, medical or biomedical research"), ("DUO:0000042",)),
    Purpose("DUO:0000011", msgid("research on ancestry"), ("DUO:0000042",)),
    Purpose("DUO:0000043", msgid("clinical care")),
)

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
