"""Access tokens: SMART backend services (SMART App Launch 2.2, a signed JWT), or OAuth 2.0 client credentials.

The address of tokens is written in the settings, or is what the server says of itself, and then at its own origin: a
secret is sent nowhere else. An assertion is used once and holds for four minutes.
"""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from medspace.adapters.fhir.errors import FhirAwayError, FhirServerError, FhirSettingsError
from medspace.adapters.fhir.fetching.settings import FhirLogin, FhirServer
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.connection import HttpResponse
from medspace.adapters.http.peers import http_date
from medspace.adapters.keys import read_secret, write_secret
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid

WELL_KNOWN = "/.well-known/smart-configuration"
FORM = "application/x-www-form-urlencoded"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE = timedelta(minutes=4)  # of an assertion; SMART allows five, the clocks may differ
SPARE = timedelta(seconds=30)  # for which a token must still hold
USUAL_LIFE, LONGEST_LIFE = 300, 86_400  # seconds of a token
SKEW = 30.0  # seconds that clocks may differ before it is told
LARGEST = 256 << 10
LONGEST_TOKEN = 8192
SHORTEST_RSA = 2048
JTI_BYTES = 24
OK = 200
TIMEOUT = 30.0
WHAT = "token"


@dataclass(slots=True)
class FhirTokens:
    """The tokens of one login: had when one is needed, kept until shortly before they end."""

    server: FhirServer
    login: FhirLogin
    http: HttpClient
    clock: Clock
    randomness: Randomness
    _address: str = ""
    _kept: tuple[str, datetime] | None = None

    async def current(self) -> str:
        """A token that holds for a while.

        Raises:
            FhirAwayError: nobody answers.
            FhirServerError: none is given.
            FhirSettingsError: the key cannot be used.
            SecretFileError, SecretExposedError: the file of the key or secret cannot be used.
        """
        if self._kept is None or self._kept[1] <= self.clock.now() + SPARE:
            self._kept = await self._fresh()
        return self._kept[0]

    def forget(self) -> None:
        """Take another one next time: this one was refused."""
        self._kept = None

    async def _fresh(self) -> tuple[str, datetime]:
        address = self._address = self._address or self.login.token or await self._discovered()
        asked = {"grant_type": "client_credentials", "scope": " ".join(self._scopes())}
        headers = {"Accept": "application/json"}
        now = self.clock.now()
        if self.login.key is not None:
            assertion = signed_assertion(self.login, self.login.key, address, now, self.randomness)
            asked |= {"client_assertion_type": ASSERTION, "client_assertion": assertion}
        elif self.login.secret is not None:
            secret = read_secret(self.login.secret).decode("utf-8", "replace").strip("\r\n")
            pair = f"{quote_plus(self.login.client)}:{quote_plus(secret)}"  # RFC 6749 2.3.1
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        answer = await self._call("POST", address, headers, urlencode(asked).encode())
        return self._token(answer, now)

    def _scopes(self) -> tuple[str, ...]:
        return self.login.scopes or tuple(f"system/{kind}.rs" for kind in self.server.types)

    def _token(self, answer: HttpResponse, now: datetime) -> tuple[str, datetime]:
        said = _read(answer)
        if answer.status != OK or said is None:
            raise FhirServerError(WHAT, self._refusal(answer, said, now))
        token, life = said.get("access_token"), said.get("expires_in", USUAL_LIFE)
        usable = (
            isinstance(token, str) and 0 < len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()
        )
        if not usable or str(said.get("token_type", "")).lower() != "bearer" or not isinstance(life, int | float):
            raise FhirServerError(WHAT, msgid("it is not a bearer token"))
        return str(token), now + timedelta(seconds=max(0, min(life, LONGEST_LIFE)))

    def _refusal(self, answer: HttpResponse, said: JsonObject | None, now: datetime) -> Text:
        """Why there is none; with what the clocks differ by, since that is the usual reason."""
        code = said.get("error") if said is not None else None
        known = code if isinstance(code, str) and code.isascii() and len(code) < 60 and code.isprintable() else "-"  # noqa: PLR2004
        facts: dict[str, str | int | Text] = {"status": answer.status, "code": known}
        then = http_date(answer.headers.get("date", ""))
        apart = 0.0 if then is None else (then - now).total_seconds()
        if abs(apart) > SKEW:
            facts["seconds"] = int(apart)
            return Text(
                msgid(
                    "none is given (status {status}, {code}); its clock is {seconds} seconds ahead of the one here, "
                    "so set the clock"
                ),
                facts,
            )
        return Text(msgid("none is given (status {status}, {code})"), facts)

    async def _discovered(self) -> str:
        said = _read(await self._call("GET", self.server.base + WELL_KNOWN, {"Accept": "application/json"}, b""))
        address = said.get("token_endpoint") if said is not None else None
        if not isinstance(address, str) or _place(address) != _place(self.server.base):
            reason = msgid(
                "the server names no address for tokens at its own place: write it as `token` under [login]"
            )
            raise FhirServerError(WHAT, reason)
        return address

    async def _call(self, method: str, url: str, headers: dict[str, str], body: bytes) -> HttpResponse:
        try:
            return await self.http.request(
                method, url, headers=headers, body=body, limit=LARGEST, timeout=TIMEOUT, media_type=FORM
            )
        except UnreachableError as error:
            raise FhirAwayError(WHAT, why_not(error)) from None


def why_not(error: UnreachableError) -> Text:
    """Why there was no answer, without the address, which may let somebody in."""
    reason = error.facts["reason"]
    return reason if isinstance(reason, Text) else Text(str(reason))


def _place(url: str) -> tuple[str, str | None, int | None]:
    read = urlsplit(url)
    return read.scheme, read.hostname, read.port


def _read(answer: HttpResponse) -> JsonObject | None:
    try:
        found = read_json(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def signed_assertion(login: FhirLogin, file: Path, address: str, now: datetime, randomness: Randomness) -> str:
    """Who asks, signed (SMART App Launch 2.2, "Authenticating to the token endpoint"): ES384 or RS384.

    Raises:
        FhirSettingsError: the key is neither of EC P-384 nor of RSA with 2048 bits.
        SecretFileError, SecretExposedError: its file cannot be used.
    """
    from joserfc import jwt  # noqa: PLC0415 - few connectors sign in at a server

    key, algorithm = private_key(file)
    claims = {"iss": login.client, "sub": login.client, "aud": address, "iat": int(now.timestamp())}
    claims |= {"exp": int((now + LIFE).timestamp()), "jti": randomness.token_bytes(JTI_BYTES).hex()}
    head = {"alg": algorithm, "kid": login.kid or key.thumbprint(), "typ": "JWT"}
    made: str = jwt.encode(head, claims, key, algorithms=[algorithm])
    return made


def private_key(file: Path) -> tuple[Any, str]:
    """The key in a file, and the algorithm that it signs with.

    Raises:
        FhirSettingsError, SecretFileError, SecretExposedError: as `signed_assertion`.
    """
    from joserfc.jwk import ECKey, RSAKey  # noqa: PLC0415 - as above

    content = read_secret(file)
    try:
        read = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        read = None
    if isinstance(read, ec.EllipticCurvePrivateKey) and read.curve.name == "secp384r1":
        return ECKey.import_key(content), "ES384"
    if isinstance(read, rsa.RSAPrivateKey) and read.key_size >= SHORTEST_RSA:
        return RSAKey.import_key(content), "RS384"
    reason = Text(msgid("the key is not one of EC P-384 or of RSA with at least 2048 bits, in PEM"))
    raise FhirSettingsError(str(file), reason)


def new_key(file: Path) -> None:
    """Write a new private key (EC P-384) into a file that only its owner can read.

    Raises:
        SecretExistsError: there is such a file.
        OSError: it cannot be written.
    """
    made = ec.generate_private_key(ec.SECP384R1())
    write_secret(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_keys(file: Path) -> JsonObject:
    """The public key of the one in a file, as the JWK Set that a server is told.

    Raises:
        FhirSettingsError, SecretFileError, SecretExposedError: as `signed_assertion`.
    """
    key, algorithm = private_key(file)
    return {"keys": [key.as_dict(private=False) | {"alg": algorithm, "use": "sig", "kid": key.thumbprint()}]}
