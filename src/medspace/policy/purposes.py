"""Purposes: a small closed vocabulary with broader purposes, so that a narrower one is recognised.

Terms are those of the Data Privacy Vocabulary 2.3 (`dpv:`), of its extension for the European Health Data Space
(`ehds:`, purposes of Regulation (EU) 2025/327, Article 53(1)) and of the Data Use Ontology (`DUO:`); the words are
ours. A purpose is named by its IRI, by its short form, or by the short form without prefix, except `DUO:`; all mean
the same, and policies that are built here carry the IRI.
"""

from dataclasses import dataclass

from medspace.core.text import Text, msgid
from medspace.policy.hierarchy import Hierarchy

_PREFIXES = {
    "dpv": "https://w3id.org/dpv#",
    "ehds": "https://w3id.org/dpv/legal/eu/ehds#",
    "DUO": "http://purl.obolibrary.org/obo/DUO_",
}


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose: its short form, what it is called, and its direct broader purposes."""

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
    # Article 53(1)(e): research, and within it algorithms that are trained, tested and evaluated
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
    if not name.isdecimal()  # the bare numbers of DUO name nothing
}

PURPOSES = Hierarchy.of({purpose.name: purpose.broader for purpose in VOCABULARY})


def canonical(name: str) -> str | None:
    """The short form of a purpose, however it is named; None where it is not known."""
    purpose = _BY_NAME.get(name)
    return None if purpose is None else purpose.name


def iri(name: str) -> str:
    """The IRI of a purpose, however it is named; any other name as it is."""
    purpose = _BY_NAME.get(name)
    return name if purpose is None else purpose.iri


def words(name: str) -> Text:
    """What a purpose is called; one that is not known is called by its name."""
    purpose = _BY_NAME.get(name)
    return Text(msgid("{purpose}"), {"purpose": name}) if purpose is None else Text(purpose.words)
