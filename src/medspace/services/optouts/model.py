"""The records of opt-outs: persons and askers at the registry; datasets that follow it at a hospital."""

from dataclasses import dataclass, field

from medspace.core.store import Collection


@dataclass(frozen=True, slots=True)
class OptedOut:
    """A person at the registry: opted out, or back in. The identity is a tag under a key of the registry.

    `number` counts all changes of the registry; the last one is its version. `sealed` is the identifier.
    """

    id: str
    number: int
    sealed: str = field(repr=False)
    time: str
    back: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """A hospital that asks the registry: about how many persons it may ask in all, about how many it has."""

    id: str  # DID
    most: int
    asked: int = 0


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """That a hospital has asked about one of its pseudonyms, so that a repetition counts no person anew."""

    id: str  # the hospital and the pseudonym
    hospital: str


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """At a hospital: the key of its pseudonyms, sealed under its own secret. The identity is the registry's DID."""

    id: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FollowedDataset:
    """A dataset of a hospital that leaves out who opted out at the registry; the identity is the dataset.

    `sealed` says which pseudonym stands for which value of the column. `version`, `answered` and `expires` are those
    of the last answer; `out` is how many persons of the dataset it names.
    """

    id: str
    registry: str  # DID
    column: str
    persons: int
    sealed: str = field(repr=False)
    version: int = 0
    answered: str = ""
    expires: str = ""
    out: int = 0


OPTED_OUT = Collection("optouts_persons", OptedOut, keys=("number",), unique=(("number",),))
ASKERS = Collection("optouts_askers", Asker)
ASKED = Collection("optouts_asked", AskedPerson)
KEYS = Collection("optouts_keys", RegistryKey)
FOLLOWED = Collection("optouts_followed", FollowedDataset)
COLLECTIONS = (OPTED_OUT, ASKERS, ASKED, KEYS, FOLLOWED)
