"""Access to the private door: by the owner's token, or by one of those that the database knows."""

from dataclasses import dataclass, field

from medspace.app.node.attempts import Attempts
from medspace.core.actors import Actor
from medspace.core.errors import StorageError
from medspace.core.hashing import same_secret
from medspace.services.tokens.service import Tokens


@dataclass(slots=True)
class Doorkeeper:
    """Checks the owner's token, from its file, and all others from the database; limits failed attempts.

    `person` is the person of the owner's token, if the configuration names one.
    """

    tokens: Tokens
    secret: str = field(repr=False)
    attempts: Attempts
    person: str = ""
    _owner: Actor | None = None

    async def authenticate(self, given: str, host: str) -> Actor:
        """The actor with this token.

        Raises:
            TokenRefusedError, TokenRevokedError, TokenExpiredError: access is refused.
            TooManyAttemptsError: too many wrong tokens came from that address.
        """
        if same_secret(given, self.secret):
            if self._owner is None:
                self._owner = await self.tokens.owner(self.person)
            return self._owner
        self.attempts.begin(host, given)
        try:
            actor = await self.tokens.authenticate(given)
        except StorageError:
            self.attempts.forgive(host, given)
            raise
        self.attempts.right(host, given)
        return actor
