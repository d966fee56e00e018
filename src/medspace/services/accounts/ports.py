"""What accounts need from outside: somebody who can read what a passkey answers, and the hospital's own login."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from medspace.core.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who the passkeys are for: a host (`id`), the `origin` of its pages, and the `name` that people see."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was just made: credential id and COSE public key in base64url, and its count of signatures."""

    id: str
    key: str
    count: int


class PasskeyVerifier(Protocol):
    """Reads the answers of authenticators (Web Authentication, level 2), and believes those only that hold.

    Both insist that the person was verified, not only present. Both take a moment: they are run in a thread.
    """

    def registered(self, response: JsonObject, challenge: bytes, party: RelyingParty) -> NewPasskey:
        """The passkey that was made.

        Raises:
            PasskeyRefusedError: the answer does not hold.
        """
        ...

    def asserted(self, response: JsonObject, challenge: bytes, party: RelyingParty, key: str) -> int:
        """How often the passkey with this public key says that it has signed; its signature holds.

        Raises:
            PasskeyRefusedError: the answer does not hold.
        """
        ...


@dataclass(frozen=True, slots=True)
class LoginClaims:
    """What the hospital's login says of a person, in an ID token that holds.

    `subject` never changes and is nobody else's there; `groups` are the values of the claim that roles follow from;
    `authenticated` is when the person last typed a password there, or used what else it asks for.
    """

    subject: str = field(repr=False)
    names: tuple[str, ...] = field(repr=False)  # what they are called, the best first
    groups: tuple[str, ...]
    authenticated: datetime | None = None


class LoginProvider(Protocol):
    """The hospital's own login: a provider of OpenID Connect, by the authorization code flow with PKCE."""

    @property
    def issuer(self) -> str:
        """Who it is; an https address."""
        ...

    async def address(self, *, state: str, nonce: str, challenge: str, again: bool) -> str:
        """Where a browser is sent; with `again` the person has to prove anew who they are.

        Raises:
            LoginUnavailableError: nobody can be sent there now.
        """
        ...

    async def redeem(self, code: str, *, verifier: str, nonce: str, issuer: str | None) -> LoginClaims:
        """What the login says of the person who came back with this code, and with that issuer, where it said one.

        Raises:
            LoginUnavailableError: it cannot be asked.
            LoginRefusedError: it takes the code for none of its own, or its ID token does not hold.
        """
        ...
