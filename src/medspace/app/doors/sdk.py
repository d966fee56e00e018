"""The SDK's connection to one's own connector, used by the methods of all features; see `medspace.sdk`."""

import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from medspace.adapters.oswords import why
from medspace.app.doors.answers import exit_code_of, object_of
from medspace.app.doors.own_token import own_token
from medspace.app.doors.watching import Watch
from medspace.app.node.config import read_config
from medspace.app.node.lists import LARGEST_PAGE
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import InvalidInputError, MedspaceError, RefusedError, WaitingError
from medspace.core.text import Text, msgid

MOST = sys.maxsize  # items of a list, unless fewer are requested: nothing is truncated silently
SHORT_WAIT = 10  # seconds that one request may wait at the connector before it is repeated
FINAL = frozenset({"FINALIZED", "TERMINATED", "COMPLETED"})
C = TypeVar("C", bound="Client")


class SpaceError(MedspaceError):
    """What the connector answered instead of a result, with its own code, sentence and next step."""

    code = "space.error"
    sentence = msgid("{sentence}")
    next_step = msgid("{next_step}")

    def __init__(self, problem: Mapping[str, Json]) -> None:
        super().__init__(sentence=str(problem.get("sentence", "")), next_step=str(problem.get("next_step", "")))
        self.problem = dict(problem)
        self.code = str(problem.get("code", "space.error"))  # type: ignore[misc]  # the connector's own code
        self.exit_code = exit_code_of(problem)  # type: ignore[misc]


class ProcessEndedError(RefusedError):
    """The other side ended a negotiation or a transfer and gave no reason."""

    code = "process.ended"
    sentence = msgid("{whom} ended this without a reason.")
    next_step = msgid("Ask its data office, or try again.")


class NotRunningError(MedspaceError):
    """Nothing answers at the management address."""

    code = "connector.unreachable"
    sentence = msgid("No connector answers at {url}.")
    next_step = msgid("Start it with `medspace up`, or name its configuration with --config.")


class ConnectorFailedError(MedspaceError):
    """The response at the management address is not a JSON object."""

    code = "connector.failed"
    sentence = msgid("What answers at {url} failed at this (HTTP {status}).")
    next_step = msgid("Read the log of the connector; if something else listens there, fix the configuration.")


class TokenUnreadableError(InvalidInputError):
    """The file of the private token cannot be read."""

    code = "private.token_unreadable"
    sentence = msgid("The private token in {file} cannot be read: {reason}.")
    next_step = msgid("Run this as the user whose connector it is, or write a new one with `medspace init`.")


class Client:
    """One's own connector, its identity and its state. The methods of each feature are in a subclass of its own."""

    def __init__(self, url: str, token: str, *, language: str = "en", timeout: float = 60.0) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False, verify=_verifying(self.url)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def status(self) -> JsonObject:
        """This connector's identity, its start time, and what it can do."""
        return self._get("/status")

    def doctor(self) -> JsonObject:
        """What works and what does not: `{ok, checks: [{name, ok, sentence, next_step}]}`."""
        return self._get("/doctor")

    def asset_checks(self) -> list[JsonObject]:
        """The state of this connector's datasets: checks in the form of `doctor`."""
        return list(self._get("/doctor/assets")["checks"])

    def seen_from(self, member: str) -> list[JsonObject]:
        """How this connector looks from another member, which calls it back: checks in the form of `doctor`."""
        return list(self._get("/doctor/outside", member=member)["checks"])

    def agreements(self, *, role: str = "", dataset: str = "", most: int = MOST) -> list[JsonObject]:
        """The newest agreements, each with its contract in plain words and how it was used; up to `most`.

        `role` is one's own: `provider` for agreements on one's own data, `consumer` for those on the data of others.
        """
        return self._pages("agreements", most, role=role, dataset=dataset)

    def _pages(self, name: str, most: int, where: str = "", **which: str) -> list[JsonObject]:
        found: list[JsonObject] = []
        asked, after = {one: value for one, value in which.items() if value}, ""
        while True:
            limit = {"limit": max(most - len(found), 1)} if most - len(found) < LARGEST_PAGE else {}
            page = self._get(where or f"/{name}", **asked, **limit, **({"after": after} if after else {}))
            found += page[name]
            after = str(page.get("next", ""))
            if not after or len(found) >= most:
                return found[:most]

    def _wait(self, where: str, wait: float, late: WaitingError) -> JsonObject:
        deadline = time.monotonic() + wait
        process = self._get(where)
        while process["state"] not in FINAL | {"STARTED"} and not process.get("problem"):
            if time.monotonic() > deadline:
                raise SpaceError(process["trouble"]) if process.get("trouble") else late
            process = self._get(where, seen=process["version"], wait=min(SHORT_WAIT, max(wait, 0.1)))
        if process.get("problem"):
            raise SpaceError(process["problem"])
        if process["state"] == "TERMINATED":
            raise ProcessEndedError(whom=late.facts["whom"])
        return process

    def _watch(self, where: str, wait: float, seen: str = "") -> Iterator[JsonObject]:
        try:
            yield from Watch(self._http, where, self._read).states(wait, seen)
        except httpx.TransportError as error:
            raise NotRunningError(url=self.url) from error

    def _get(self, where: str, **query: Json) -> JsonObject:
        return self._send("GET", where, params=query)

    def _post(self, where: str, body: JsonObject) -> JsonObject:
        return self._send("POST", where, json=body)

    def _send(self, method: str, where: str, **what: Json) -> JsonObject:
        try:
            response = self._http.request(method, where, **what)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotRunningError(url=self.url) from error
        return self._read(response)

    def _page(self, where: str) -> str:
        """What answers with text rather than JSON."""
        return self._fetched(where).text

    def _file(self, where: str) -> bytes:
        """What answers with bytes rather than JSON."""
        return self._fetched(where).content

    def _fetched(self, where: str) -> httpx.Response:
        try:
            response = self._http.get(where)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotRunningError(url=self.url) from error
        if response.is_error:
            self._read(response)
        return response

    def _read(self, response: httpx.Response) -> JsonObject:
        try:
            body = object_of(response)
        except ValueError as error:
            raise ConnectorFailedError(url=self.url, status=response.status_code) from error
        if response.is_error:
            raise SpaceError(body)
        return body


def _verifying(url: str) -> ssl.SSLContext:
    """What verifies a server: the usual authorities, which take 40 ms to read; nobody, where TLS is not asked for."""
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context(trust_env=False)


def _owners(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = why(error) if isinstance(error, OSError) else Text(msgid("it is not a token"))
        raise TokenUnreadableError(file=str(file), reason=reason) from error


def connect(kind: type[C], config: str | Path = "medspace.toml", *, language: str = "en", owner: bool = False) -> C:
    """The running connector that a configuration file describes, with the client's token (`doors.own_token`).

    With `owner`, the owner's token is used, whatever the environment names, since that may be for another connector.

    Raises:
        ConfigError: the file cannot be used.
        TokenUnreadableError: the file of the private token cannot be read.
        SecretFileError, SecretExposedError: the file of the client's token is missing or broken, or others read it.
        NotRunningError: on first use, if the connector is not running.
    """
    settings = read_config(Path(config))
    token = (None if owner else own_token()) or _owners(settings.path(settings.private.token))
    host = f"[{settings.private.host}]" if ":" in settings.private.host else settings.private.host
    return kind(f"http://{host}:{settings.private.port}", token, language=language)
