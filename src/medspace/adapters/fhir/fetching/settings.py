"""What a person wrote of a FHIR server: a TOML file, read strictly; paths in it are relative to it."""

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from medspace.adapters.fhir.errors import FhirSettingsError
from medspace.adapters.fhir.persons import PATIENT
from medspace.adapters.fhir.standard import view_of
from medspace.adapters.fhir.views import CompiledView
from medspace.adapters.filenames import absolute
from medspace.adapters.oswords import why
from medspace.adapters.ownership import read_owned
from medspace.core.misfits import MisfitError
from medspace.core.text import Text, msgid
from medspace.core.toml import read_toml

LARGEST = 256 * 1024  # bytes of the file
MOST_HOURS = 240.0


class LoginForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a token is had: with a private key (SMART backend services), or a secret (OAuth client credentials)."""

    client: str
    key: str = ""  # the file of the private key, PEM
    kid: str = ""  # the name of its public key at the server; the thumbprint where there is none
    secret: str = ""  # the file of the secret
    token: str = ""  # the address of tokens; else what the server says of itself
    scopes: tuple[str, ...] = ()


class ServerForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is written."""

    server: str
    views: tuple[str, ...]
    way: Literal["export", "search"] = "export"
    group: str = ""
    files: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    certificates: str = ""
    hours: float = 24.0
    page: int = 500
    login: LoginForm | None = None


@dataclass(frozen=True, slots=True)
class FhirLogin:
    """How a token is had; exactly one of `key` and `secret` is a file."""

    client: str
    key: Path | None
    kid: str
    secret: Path | None
    token: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A server and what is wanted of it. `base` has no slash at its end; `hours` is how long a job is waited for."""

    base: str
    views: tuple[CompiledView, ...]
    way: Literal["export", "search"]
    group: str
    files: tuple[str, ...]  # other origins that exported files may come from
    networks: tuple[str, ...]
    certificates: Path | None
    hours: float
    page: int
    login: FhirLogin | None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of resources that the views need, and the patients whose they are."""
        return tuple(sorted({PATIENT, *(view.resource for view in self.views)}))


def read_settings(file: Path) -> FhirServer:
    """The server that a file describes.

    Raises:
        FhirSettingsError: it cannot be read, or says what cannot be.
        FileExposedError, FileForeignError: others can change it.
        ViewError: a view cannot be used.
    """
    try:
        content = read_owned(file, LARGEST)
        form = read_toml(content, ServerForm)
    except OSError as error:
        raise FhirSettingsError(str(file), why(error)) from None
    except MisfitError as error:
        raise FhirSettingsError(str(file), error.reason) from None
    for reason in _objections(form):
        raise FhirSettingsError(str(file), reason)
    folder = absolute(file).parent
    return FhirServer(
        form.server.rstrip("/"),
        tuple(view_of(name, folder / name) for name in form.views),
        form.way,
        form.group,
        tuple(one.rstrip("/") for one in form.files),
        form.networks,
        folder / form.certificates if form.certificates else None,
        form.hours,
        form.page,
        None if form.login is None else _login(form.login, folder),
    )


def _login(form: LoginForm, folder: Path) -> FhirLogin:
    key = folder / form.key if form.key else None
    secret = folder / form.secret if form.secret else None
    return FhirLogin(form.client, key, form.kid, secret, form.token, form.scopes)


def _objections(form: ServerForm) -> list[Text]:
    """What is wrong with it, the first first."""
    found = list[Text]()
    addresses = [form.server, *form.files, *([form.login.token] if form.login and form.login.token else [])]
    if not all(_is_address(one) for one in addresses):
        found.append(Text(msgid("an address is not a plain https URL without user, query or fragment")))
    if not form.views:
        found.append(Text(msgid("it names no view")))
    if not 0 < form.hours <= MOST_HOURS or not 1 <= form.page <= 10_000:  # noqa: PLR2004 - what a page may hold
        found.append(Text(msgid("`hours` is more than 0 and at most 240, `page` from 1 to 10000")))
    if form.group and not form.group.replace("-", "").replace(".", "").isalnum():
        found.append(Text(msgid("`group` is not the id of a Group")))
    if form.login is not None and bool(form.login.key) == bool(form.login.secret):
        found.append(Text(msgid("`login` names either the file of a key or that of a secret")))
    if not all(_is_network(one) for one in form.networks):
        found.append(Text(msgid("`networks` holds what is no network, such as 10.0.0.0/8")))
    return found


def _is_address(said: str) -> bool:
    try:
        read = urlsplit(said)
        port = read.port
    except ValueError:
        return False
    plain = read.scheme in ("http", "https") and bool(read.hostname) and "@" not in read.netloc
    return plain and not read.query and not read.fragment and port != 0


def _is_network(said: str) -> bool:
    try:
        ip_network(said)
    except ValueError:
        return False
    return True
