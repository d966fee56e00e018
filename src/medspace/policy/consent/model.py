"""A patient's consent as one tree, whichever release of FHIR it was written in, and what it is asked.

What differs from patient to patient (the dates) is apart from the tree, so that a million consents have few distinct
trees, and each is decided once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

ALWAYS = (-(2**53) + 1, 2**53 - 1)  # no bound on either side
Span = tuple[int, int]  # the first second, and the first one after it: seconds since 1970 (UTC)


class Stance(StrEnum):
    """What a provision says of what it is about."""

    PERMIT = "permit"
    DENY = "deny"

    @property
    def other(self) -> "Stance":
        """The opposite."""
        return Stance.DENY if self is Stance.PERMIT else Stance.PERMIT


class ConsentAnswer(StrEnum):
    """What all consents of a patient answer together. Only ALLOW lets her rows pass; ABSTAIN goes to a person."""

    ALLOW = "allow"
    DENY = "deny"
    ABSTAIN = "abstain"
    NONE = "none"  # she has not said anything about it


class ConsentParty(StrEnum):
    """Which party of a use an actor of a provision is compared with."""

    USER = "user"
    HOLDER = "holder"
    OTHER = "other"  # such as the author of the data: nothing here knows it


@dataclass(frozen=True, slots=True)
class ConsentActor:
    """Whom a provision is about: a reference or an identifier, as the consent writes it."""

    party: ConsentParty
    name: str


@dataclass(frozen=True, slots=True)
class Provision:
    """One rule of a consent: what it says, of what, and the exceptions to it.

    Within one kind of criterion any value matches, and all kinds have to match; an empty one matches everything.
    Codes are written `system|code`. `period` and `data_period` are numbers of spans that stand beside the tree.
    `unread` are criteria that nothing here can evaluate. `clause` is the JSON pointer in the document.
    """

    stance: Stance
    clause: str
    actors: tuple[ConsentActor, ...] = ()
    purposes: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    period: int | None = None
    data_period: int | None = None
    unread: tuple[str, ...] = ()
    exceptions: tuple["Provision", ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """One version of one consent of one patient.

    `tree` is None where it is no consent to anything, and `why` says why. `spans` are those of the tree, with that
    of the whole consent first. `guardian`: it was given by somebody else, and so counts until she is of age.
    """

    id: str
    patient: str
    tree: Provision | None
    spans: tuple[Span, ...] = (ALWAYS,)
    guardian: bool = False
    why: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class Element:
    """What is known of a part of a dataset; None is unknown, and unknown data are treated as the most sensitive."""

    classes: frozenset[str] | None = None
    codes: frozenset[str] | None = None
    labels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """What a use asks of the consents: who, for what, on which kinds of data.

    `names` are the names of a party as consents write them, `needs` the actions that have to be permitted, `touches`
    those that a denial forbids. `period` is when the data were recorded, None where that is unknown.
    """

    purpose: str | None
    needs: frozenset[str]
    touches: frozenset[str]
    elements: tuple[Element, ...]
    names: Mapping[ConsentParty, frozenset[str]] = field(default_factory=dict)
    period: Span | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the consents of a patient answer for one element, and the provision that decided: consent and clause."""

    answer: ConsentAnswer
    consent: str = ""
    clause: str = ""


def seconds(instant: datetime) -> int:
    """An instant as consents are compared with it."""
    return int(instant.timestamp())
