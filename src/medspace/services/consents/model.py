"""The records of consents: who said what and when, in which tree, and which datasets are used under consent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from medspace.core.canonical import JsonObject
from medspace.core.store import Collection
from medspace.policy.consent.model import Provision, Span


@dataclass(frozen=True, slots=True)
class ConsentPatient:
    """A patient as rows name her: the salt of what is said of her, until when others consent for her, her death.

    `salt` is 32 random bytes in hex: once it is deleted, nothing that is left leads to her. `adult` and `died` are
    days; "" is unknown, or not.
    """

    id: str
    salt: str = field(repr=False)
    adult: str = ""
    died: str = ""


@dataclass(frozen=True, slots=True)
class ConsentVersion:
    """One version of a consent: of all that were recorded it is number `number`, and of its own, `version`.

    The highest version counts. `shape` is its tree, "" where it consents to nothing any more, `why` says why.
    """

    id: str
    patient: str
    consent: str
    version: int
    number: int
    time: str
    digest: str  # of the document
    shape: str = ""
    spans: tuple[Span, ...] = ()
    guardian: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class ConsentShape:
    """A tree that consents share; its identity is its digest."""

    id: str
    tree: Provision


@dataclass(frozen=True, slots=True)
class ConsentSource:
    """The document of a version, as it came."""

    id: str
    document: JsonObject


@dataclass(frozen=True, slots=True)
class ElementCodes:
    """What the holder says of some columns, as `system|code`; None is unknown."""

    classes: tuple[str, ...] | None = None
    codes: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """How a dataset is used under consent.

    `column` is that of the persons, `columns` what is said of single columns, `whole` of all others; `since` and
    `until` are the days between which the data were recorded. `names` are the names of participants in consents, by
    DID. `after_death`: consents go on when a patient has died.
    """

    column: str
    whole: ElementCodes = ElementCodes()
    columns: Mapping[str, ElementCodes] = field(default_factory=dict)
    since: str = ""
    until: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    after_death: bool = False


@dataclass(frozen=True, slots=True)
class ConsentEdition:
    """A version of a dataset under consent: newcomers up to number `upto` belong to it, withdrawals count at once.

    `counts` are how many persons each purpose reaches, rounded down to tens; they stay as they are until the next
    edition, so that nobody sees in them what a single patient says.
    """

    id: str  # the dataset, and the edition in as many digits as keep the order
    dataset: str
    edition: int
    upto: int
    time: str
    terms: ConsentTerms
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountedUse:
    """What a use has stated of whom it counts: the leaves of its tree, sorted, as hex of 32 bytes each.

    `columns` are those that its answers may depend on; None: every one.
    """

    id: str  # the use and the root
    use: str
    root: str
    leaves: str = field(repr=False)
    columns: tuple[str, ...] | None = None


PATIENTS = Collection("consent_patients", ConsentPatient)
VERSIONS = Collection("consent_versions", ConsentVersion, keys=("patient", "number"), unique=(("number",),))
SHAPES = Collection("consent_shapes", ConsentShape)
SOURCES = Collection("consent_sources", ConsentSource)
EDITIONS = Collection("consent_editions", ConsentEdition, keys=("dataset",))
COUNTED = Collection("consent_counted", CountedUse, keys=("use",))
COLLECTIONS = (PATIENTS, VERSIONS, SHAPES, SOURCES, EDITIONS, COUNTED)
