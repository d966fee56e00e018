"""Who acts at a connector: its owner, a person, or a program; and what each may do.

A log names an actor by a random pseudonym. What it is called is known to the connector's database alone, where it can
be deleted: the entries stay, and then nobody can tell whose they are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from medspace.core.clock import Randomness

NOBODY = ""  # stands where a person or a token could: the connector acted by itself
CONFIGURATION = (
    "configuration"  # stands there where a start found something new in its file: who wrote that is not known
)
PREFIX = "actor:"
ID_BYTES = 16


class Scope(StrEnum):
    """What a token may be made for. Whoever may change something may look at it as well."""

    READ = "read"  # look at everything but exports for an audit, outputs that are held, and tokens
    TERMS = "terms"  # negotiate, answer negotiations; labels, sets of sites, budgets of one's own datasets
    USE = "use"  # transfers, downloads, runs
    CHECK = "check"  # look at outputs that wait for a person, let them go or keep them back
    MEMBERS = "members"  # as the authority: admit and remove members, take up their keys
    KEYS = "keys"  # renew and revoke one's own signing keys
    AUDIT = "audit"  # export the log and what belongs to it
    TOKENS = "tokens"  # make and revoke tokens, with no more scopes than one's own


class ActorKind(StrEnum):
    """What an actor is."""

    OWNER = "owner"  # whoever holds the file of the private token
    PERSON = "person"  # all tokens of a person are one actor
    PROGRAM = "program"  # and so are all of a program


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls: `id` is the pseudonym that entries have. The owner may do everything, also what no scope names.

    `token` is the public identity of the token that it came with, "" of the owner's; `until` is when that expires.
    """

    id: str
    kind: ActorKind
    scopes: frozenset[Scope]
    token: str = ""
    until: datetime | None = None

    def may(self, needed: Collection[Scope]) -> bool:
        """Whether it has one of the scopes; nobody but the owner may do what needs none that there is."""
        return self.kind is ActorKind.OWNER or not self.scopes.isdisjoint(needed)


def new_actor(randomness: Randomness) -> str:
    """A fresh pseudonym."""
    return PREFIX + randomness.token_bytes(ID_BYTES).hex()
