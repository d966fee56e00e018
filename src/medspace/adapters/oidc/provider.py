"""A provider of OpenID Connect: where it sends people, its keys, and what it gives for a code.

What it says of itself is fetched when somebody signs in, and kept for an hour; its keys are fetched anew when a token
names one that is not known, at most once a minute. Everything is asked by the connector's own client.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from medspace.adapters.extras import require
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.connection import HttpResponse
from medspace.adapters.http.guard import is_loopback
from medspace.adapters.oidc import idtokens
from medspace.adapters.oidc.idtokens import Expected
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid
from medspace.services.accounts.errors import LoginRefusedError, LoginUnavailableError
from medspace.services.accounts.ports import LoginClaims

WELL_KNOWN = "/.well-known/openid-configuration"
LARGEST = 256 << 10  # bytes of an answer
PATIENCE = 10.0  # seconds for one
KEPT = timedelta(hours=1)
PAUSE = timedelta(minutes=1)  # between two looks at the keys
REST = timedelta(seconds=10)  # for which one that could not be used is not asked again
FORM = "application/x-www-form-urlencoded"
OK = 200
NOT_ITS_OWN = (400, 401)  # how a code or a secret is refused (RFC 6749 5.2)
NAMES = ("name", "preferred_username", "email")  # what somebody is called, the best first


@dataclass(frozen=True, slots=True)
class OidcClient:
    """What this connector is to the provider; `secret` is "" for a public client, and read anew each time."""

    issuer: str
    id: str
    scopes: Sequence[str]
    claim: str
    redirect: str
    secret: Callable[[], str] = field(default=lambda: "", repr=False)


class Description(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 3), as far as it is needed."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = False


@dataclass(slots=True)
class OidcProvider:
    """A provider, asked over `http`."""

    client: OidcClient
    http: HttpClient
    clock: Clock
    _described: tuple[datetime, Description] | None = None
    _failed: tuple[datetime, LoginUnavailableError] | None = None
    _keys: tuple[datetime, list[JsonObject]] | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def issuer(self) -> str:
        """Who it is."""
        return self.client.issuer

    async def description(self) -> Description:
        """What it says of itself.

        Raises:
            LoginUnavailableError: it cannot be asked, or says what nobody can use.
        """
        async with self._asking:
            now = self.clock.now()
            if self._described is not None and timedelta(0) <= now - self._described[0] < KEPT:
                return self._described[1]
            if self._failed is not None and timedelta(0) <= now - self._failed[0] < REST:
                raise LoginUnavailableError(**self._failed[1].facts)
            try:
                found = self._usable(await self._read(self.issuer.rstrip("/") + WELL_KNOWN))
            except LoginUnavailableError as error:
                self._failed = (now, error)
                raise
            self._described = (now, found)
            return found

    async def address(self, *, state: str, nonce: str, challenge: str, again: bool) -> str:
        """Where a browser is sent (OpenID Connect Core 3.1.2.1).

        Raises:
            LoginUnavailableError: it cannot be asked, or says what nobody can use.
            MissingExtraError: `joserfc` is not installed.
        """
        require(idtokens.PACKAGE, extra=idtokens.EXTRA)  # before somebody signs in there for nothing
        endpoint = (await self.description()).authorization_endpoint
        asked = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": self.client.redirect,
            "scope": " ".join(self.client.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if again:
            asked |= {"prompt": "login", "max_age": "0"}
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def redeem(self, code: str, *, verifier: str, nonce: str, issuer: str | None) -> LoginClaims:
        """What it says of the person who came back with this code.

        Raises:
            LoginUnavailableError: it cannot be asked, or says what nobody can use.
            LoginRefusedError: it takes the code for none of its own, or its ID token does not hold.
        """
        described = await self.description()
        if issuer != self.issuer and (issuer is not None or described.authorization_response_iss_parameter_supported):
            raise LoginRefusedError(reason=Text(msgid("the answer came from another login")))  # RFC 9207 2.4
        token = await self._token(described, code, verifier)
        key = await self._key(described, token)
        expected = Expected(self.issuer, self.client.id, nonce, self.clock.now())
        claims = await asyncio.to_thread(idtokens.claims_of, token, key, expected)
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= idtokens.LONGEST_TEXT:
            raise LoginRefusedError(reason=Text(idtokens.MALFORMED))
        names = tuple(name for name in map(claims.get, NAMES) if isinstance(name, str))
        groups = idtokens.groups_of(claims, self.client.claim)
        return LoginClaims(subject, names, groups, idtokens.time_of(claims.get("auth_time")))

    async def _token(self, described: Description, code: str, verifier: str) -> str:
        """The ID token that belongs to a code (OpenID Connect Core 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect,
            "code_verifier": verifier,
        }
        secret, headers = self.client.secret(), {}
        methods = described.token_endpoint_auth_methods_supported
        if secret and ("client_secret_basic" in methods or "client_secret_post" not in methods):
            both = f"{quote_plus(self.client.id)}:{quote_plus(secret)}"  # RFC 6749 2.3.1
            headers["Authorization"] = f"Basic {b64encode(both.encode()).decode()}"
        else:
            form |= {"client_id": self.client.id} | ({"client_secret": secret} if secret else {})
        body = urlencode(form).encode()
        answer = await self._asked("POST", described.token_endpoint, headers=headers, body=body)
        if answer.status in NOT_ITS_OWN:
            raise LoginRefusedError(reason=Text(msgid("it does not know the code that you came back with")))
        token = self._object(answer).get("id_token")
        if not isinstance(token, str):
            raise self._unusable(msgid("it gives no ID token"))
        return token

    async def _key(self, described: Description, token: str) -> JsonObject:
        """The key of a token; keys that are not known are looked for, but not for everybody who makes one up."""
        async with self._asking:
            now = self.clock.now()
            found = idtokens.key_of(token, self._keys[1] if self._keys else ())
            stale = self._keys is None or not timedelta(0) <= now - self._keys[0] < KEPT
            again = found is None and (self._keys is None or now - self._keys[0] >= PAUSE)
            if stale or again:
                told = (await self._read(described.jwks_uri)).get("keys")
                if not isinstance(told, list) or len(told) > idtokens.MOST_KEYS:
                    raise self._unusable(msgid("its keys cannot be read"))
                keys = [key for key in told if isinstance(key, dict)]
                self._keys = (now, keys)
                found = idtokens.key_of(token, keys)
        if found is None:
            raise LoginRefusedError(reason=Text(idtokens.UNPROVEN))
        return found

    def _usable(self, found: JsonObject) -> Description:
        try:
            described = msgspec.convert(found, Description)
        except msgspec.ValidationError:
            raise self._unusable(msgid("what it says of itself cannot be read")) from None
        if described.issuer != self.issuer:  # OpenID Connect Discovery 4.3
            raise self._unusable(msgid("it calls itself otherwise; portal.oidc.issuer must be exactly what it says"))
        places = (described.authorization_endpoint, described.token_endpoint, described.jwks_uri)
        if not all(map(is_safe, places)):
            raise self._unusable(msgid("it is not reached over https"))
        if "S256" not in described.code_challenge_methods_supported:
            raise self._unusable(msgid("it knows no PKCE with S256"))
        return described

    async def _read(self, url: str) -> JsonObject:
        return self._object(await self._asked("GET", url))

    async def _asked(self, method: str, url: str, **request: Any) -> HttpResponse:  # noqa: ANN401 - of the client
        try:
            return await self.http.request(method, url, limit=LARGEST, timeout=PATIENCE, media_type=FORM, **request)
        except UnreachableError as error:
            raise LoginUnavailableError(issuer=self.issuer, reason=error.text) from error

    def _object(self, answer: HttpResponse) -> JsonObject:
        if answer.status != OK:
            raise self._unusable(msgid("it answers with status {status}"), status=answer.status)
        try:
            found = read_json(answer.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            found = None
        if not isinstance(found, dict):
            raise self._unusable(msgid("its answer cannot be read"))
        return found

    def _unusable(self, reason: str, **facts: int) -> LoginUnavailableError:
        return LoginUnavailableError(issuer=self.issuer, reason=Text(reason, facts))


def is_safe(url: str) -> bool:
    """Whether what goes there cannot be overheard: https, or a place on this machine."""
    try:
        split = urlsplit(url)
        host = split.hostname or ""
    except ValueError:
        return False
    plain = bool(host) and split.username is None and not split.fragment and url.isascii() and url.isprintable()
    return plain and (split.scheme == "https" or (split.scheme == "http" and is_loopback(host)))
