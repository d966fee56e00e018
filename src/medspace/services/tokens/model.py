"""What is kept of actors and tokens. Names are here and nowhere else; of a secret only its digest is kept."""

from dataclasses import dataclass, field

from medspace.core.actors import ActorKind, Scope
from medspace.core.store import Collection


@dataclass(frozen=True, slots=True)
class KnownActor:
    """Whom a pseudonym stands for; `name` is "" once it was forgotten."""

    id: str
    kind: ActorKind
    name: str
    created: str  # RFC 3339

    @property
    def named(self) -> str | None:
        """The name, by which one kind of actor has no two; None once it was forgotten."""
        return self.name or None


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an actor. `used` is the day on which it was last used, `made_with` the token that made it."""

    id: str  # public: it begins the text of the token
    actor: str
    digest: str = field(repr=False)  # of the secret, which has 256 random bits
    scopes: tuple[Scope, ...]
    created: str  # RFC 3339, as the next two
    expires: str
    revoked: str = ""
    used: str = ""
    made_by: str = ""  # which actor
    made_with: str = ""  # "" where it was the owner's, which is a file


ACTORS = Collection("actors", KnownActor, keys=("kind", "named"), unique=(("kind", "named"),))
TOKENS = Collection("access_tokens", Token, keys=("actor", "created", "made_with"))
COLLECTIONS = (ACTORS, TOKENS)
