"""One FHIR server, asked with patience: which addresses are followed, which answers are waited for and asked anew.

An address in an answer (`next`, `Content-Location`, an exported file) is followed only to the server's own origin, or
for files to one that the settings list; the token goes to the server's own origin alone. Redirects are not followed.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import msgspec

from medspace.adapters.fhir.errors import FhirAwayError, FhirServerError
from medspace.adapters.fhir.fetching.login import FhirTokens, why_not
from medspace.adapters.fhir.fetching.settings import FhirServer
from medspace.adapters.http.client import HttpClient, Streamed
from medspace.adapters.http.connection import HttpResponse
from medspace.adapters.http.errors import AnswerTooLargeError, BadAnswerError, ForbiddenAddressError
from medspace.adapters.http.peers import http_date
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock
from medspace.core.decoding import read_json
from medspace.core.text import Text, msgid

FHIR_JSON = "application/fhir+json"
TRIES = 6  # of one call, where the server says that it passes, or does not answer
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between tries, where the server names none
MOST_PATIENCE = 3600.0  # seconds that one Retry-After may ask for
LARGEST_ANSWER = 64 << 20  # bytes of a page or a manifest
LARGEST_FILE = 64 << 30  # bytes of an exported file
TIMEOUT = 120.0
OK, ACCEPTED, UNAUTHORIZED, BUSY = 200, 202, 401, 429
PASSING = (BUSY, 500, 502, 503, 504)
_SECONDS = re.compile(r"[0-9]{1,9}")
_CODE = re.compile(r"[a-z-]{1,40}")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, "" where it has none."""
    try:
        read = urlsplit(url)
        port = read.port or {"https": 443, "http": 80}.get(read.scheme, 0)
    except ValueError:
        return ""
    return f"{read.scheme}://{read.hostname}:{port}" if read.hostname and port else ""


@dataclass(slots=True)
class FhirCalls:
    """Asks one server; `tokens` is None where it wants none."""

    server: FhirServer
    http: HttpClient
    tokens: FhirTokens | None
    clock: Clock

    def followed(self, what: str, url: object, *, files: bool = False) -> str:
        """An address of an answer, made absolute, if it may be followed.

        Raises:
            FhirServerError: it is none, or leads to another place than those that the settings allow.
        """
        if not isinstance(url, str) or not url:
            raise FhirServerError(what, msgid("it names no address to go on at"))
        try:
            whole = urljoin(self.server.base + "/", url)
        except ValueError:
            whole = ""
        others = [origin_of(one) for one in self.server.files] if files else []
        if origin_of(whole) not in (origin_of(self.server.base), *others):
            facts = {"place": origin_of(whole) or "-"}
            reason = msgid("it leads to {place}, which is not the server's own place, nor listed as one of `files`")
            raise FhirServerError(what, reason, facts)
        return whole

    async def get(self, what: str, url: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """The answer to a GET, once it is none of those that pass by themselves.

        Raises:
            FhirAwayError: it did not come in all tries.
            FhirServerError: it cannot be read, or the address must not be called.
        """
        return await self._asked(what, "GET", url, {"Accept": FHIR_JSON, **(headers or {})})

    async def delete(self, url: str) -> None:
        """Tell the server that something is needed no more; whatever it answers."""
        headers = await self._authorized(url, {})
        try:
            await self.http.request("DELETE", url, headers=headers, timeout=TIMEOUT)
        except UnreachableError:
            return

    async def _asked(self, what: str, method: str, url: str, headers: Mapping[str, str]) -> HttpResponse:
        renewed, told = False, Text(msgid("it took too long"))
        for tried in range(TRIES):
            pause = min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE)
            try:
                answer = await self.http.request(
                    method, url, headers=await self._authorized(url, headers), timeout=TIMEOUT, limit=LARGEST_ANSWER
                )
            except (ForbiddenAddressError, AnswerTooLargeError, BadAnswerError) as error:
                raise FhirServerError(what, why_not(error)) from None
            except UnreachableError as error:
                told = why_not(error)
            else:
                if answer.status == UNAUTHORIZED and self.tokens is not None and not renewed:
                    renewed, pause = True, 0.0
                    self.tokens.forget()
                elif answer.status not in PASSING:
                    return answer
                else:
                    pause = self.pause(answer.headers, pause, what)
                told = _status(answer.status)
            await self.clock.sleep(pause)
        raise FhirAwayError(what, told)

    def pause(self, headers: Mapping[str, str], usual: float, what: str) -> float:
        """The seconds to wait that an answer asks for, or the usual ones.

        Raises:
            FhirAwayError: it asks for more patience than anybody has.
        """
        said = headers.get("retry-after", "").strip()
        seconds = usual
        if _SECONDS.fullmatch(said):
            seconds = float(said)
        elif (then := http_date(said)) is not None:
            seconds = (then - (http_date(headers.get("date", "")) or self.clock.now())).total_seconds()
        if seconds > MOST_PATIENCE:
            raise FhirAwayError(what, Text(msgid("it asks to wait {seconds} seconds"), {"seconds": int(seconds)}))
        return max(0.0, seconds)

    @asynccontextmanager
    async def file(self, what: str, url: str, *, token: bool) -> AsyncIterator[Streamed]:
        """An exported file, piece by piece; the token goes along only to the server's own place.

        Raises:
            FhirAwayError: it does not come, or not to its end.
            FhirServerError: it cannot be read, or the address must not be called.
        """
        headers = {"Accept": "application/fhir+ndjson"}
        if token:
            headers = await self._authorized(url, headers)
        try:
            async with self.http.stream("GET", url, limit=LARGEST_FILE, headers=headers) as streamed:
                yield streamed
        except (ForbiddenAddressError, AnswerTooLargeError, BadAnswerError) as error:
            raise FhirServerError(what, why_not(error)) from None
        except UnreachableError as error:
            raise FhirAwayError(what, why_not(error)) from None

    async def _authorized(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        if self.tokens is None or origin_of(url) != origin_of(self.server.base):
            return dict(headers)
        return {**headers, "Authorization": f"Bearer {await self.tokens.current()}"}


def read_answer(what: str, answer: HttpResponse, *, status: int = OK) -> JsonObject:
    """The JSON object of an answer.

    Raises:
        FhirServerError: the answer has another status, or is none; with the code of an OperationOutcome, no more.
    """
    said = _object(answer)
    if answer.status != status:
        code = _issue_code(said)
        facts: dict[str, str | int | Text] = {"status": answer.status, "code": code}
        reason = (
            msgid("it refuses with status {status} ({code})") if code else msgid("it refuses with status {status}")
        )
        raise FhirServerError(what, reason, facts)
    if said is None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()[:40]
        raise FhirServerError(
            what, msgid("it is not one JSON object, but calls itself {kind}"), {"kind": kind or "-"}
        )
    return said


def _object(answer: HttpResponse) -> JsonObject | None:
    try:
        found = read_json(answer.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _issue_code(said: JsonObject | None) -> str:
    """The code of the first issue of an OperationOutcome; its texts may hold what nobody here should read."""
    issues = said.get("issue") if said is not None and said.get("resourceType") == "OperationOutcome" else None
    first = issues[0] if isinstance(issues, list) and issues else None
    code = first.get("code") if isinstance(first, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _status(status: int) -> Text:
    return Text(msgid("it answered with status {status}"), {"status": status})
