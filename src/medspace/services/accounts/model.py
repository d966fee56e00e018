"""What is kept of accounts: of every secret only its digest, of people only their pseudonyms.

Names are with the actors (`services.tokens.model`), where they can be deleted.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from medspace.core.actors import Scope
from medspace.core.store import Collection


class AccountRole(StrEnum):
    """What somebody is here; an account may be several."""

    STEWARD = "steward"  # answers for the data: labels, terms, negotiations
    USER = "user"  # works with the data of others
    CHECKER = "checker"  # looks at outputs before they leave
    AUDITOR = "auditor"  # reads the log and what it proves
    AUTHORITY = "authority"  # admits and removes members
    PATIENT = "patient"  # sees what happened to their own data
    OWNER = "owner"  # may do everything


class Proof(StrEnum):
    """How a session was opened."""

    LINK = "link"
    PASSKEY = "passkey"
    OIDC = "oidc"


class Theme(StrEnum):
    """How pages look; "" follows the system."""

    SYSTEM = ""
    LIGHT = "light"
    DARK = "dark"


class Ceremony(StrEnum):
    """What a challenge was drawn for."""

    REGISTRATION = "registration"
    SIGN_IN = "sign-in"
    SIGNED_IN = "signed-in"  # a sign-in whose passkey held
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of an actor, whose pseudonym is its `id`: one actor with that person's tokens."""

    id: str
    roles: tuple[AccountRole, ...]
    created: str  # RFC 3339
    closed: str = ""  # when, or ""
    language: str = ""  # "" follows the browser
    theme: Theme = Theme.SYSTEM
    shortcuts: bool = True  # single keys do something (WCAG 2.1.4: they can be turned off)
    login: bool = False  # it comes from the hospital's login, which says what it may do


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an account; `id` is its credential id, `key` the COSE public key, both base64url."""

    id: str
    account: str
    key: str
    count: int  # how often it says that it signed; 0 where it does not count
    label: str
    created: str
    used: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """What binds what was made with a token or a session: it does no more, and ends no later."""

    until: str
    scopes: tuple[Scope, ...] | None = None  # None: all that the roles open
    token: str = ""  # the token that it was made with, which may be revoked


@dataclass(frozen=True, slots=True)
class PortalSession:
    """Somebody at the portal; `id` is the digest of the secret that their browser has."""

    id: str
    account: str
    proof: Proof
    created: str  # RFC 3339, as the next three
    used: str
    expires: str
    confirmed: str = ""  # when a passkey last said that it is still the same person
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class SignInLink:
    """A link that opens one session; `id` is the digest of its secret."""

    id: str
    account: str
    created: str
    expires: str
    spent: str = ""
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge of WebAuthn; `id` is its digest, `holder` who may answer: a session, or a browser without one.

    Those for signing in are kept once they were answered only, so that none is answered twice.
    """

    id: str
    holder: str = field(repr=False)
    ceremony: Ceremony
    expires: str


@dataclass(frozen=True, slots=True)
class LoginPerson:
    """Whose account somebody has whom the hospital's login knows; `id` is the digest of issuer and subject."""

    id: str
    account: str
    created: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class SpentLogin:
    """A way through the hospital's login that somebody came back by, once; `id` is the digest of its state."""

    id: str
    expires: str


ACCOUNTS = Collection("portal_accounts", Account, keys=("created",))
PASSKEYS = Collection("passkeys", Passkey, keys=("account", "created"))
SESSIONS = Collection("portal_sessions", PortalSession, keys=("account", "created", "expires"))
LINKS = Collection("sign_in_links", SignInLink, keys=("account", "created", "expires"))
CHALLENGES = Collection("passkey_challenges", Challenge, keys=("holder", "expires"))
COLLECTIONS = (ACCOUNTS, PASSKEYS, SESSIONS, LINKS, CHALLENGES)
LOGIN_PEOPLE = Collection("login_people", LoginPerson, keys=("account", "created"))
SPENT_LOGINS = Collection("spent_logins", SpentLogin, keys=("expires",))
LOGIN_COLLECTIONS = (LOGIN_PEOPLE, SPENT_LOGINS)
