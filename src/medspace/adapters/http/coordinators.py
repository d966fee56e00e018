"""The connectors that lead runs for this one, over HTTP: port `runs.ports.Coordinators`."""

import asyncio
from typing import TypeVar

import msgspec

from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.errors import AnswerTooLargeError, JobBusyError, JobRefusedError
from medspace.adapters.http.peers import LARGEST_ANSWER, answered
from medspace.connector.errors import UnreachableError
from medspace.core.canonical import JsonObject
from medspace.core.paths import path
from medspace.core.text import Text, msgid
from medspace.runs.errors import SiteAwayError, SiteRefusedError
from medspace.runs.telling import RunStatus
from medspace.trust.did import base_url
from medspace.trust.errors import DidError
from medspace.trust.service import Identity

WAIT = 30.0  # seconds for one answer
UNAUTHENTICATED = 401
T = TypeVar("T")
_encoder = msgspec.json.Encoder()


class _CoordinatorKey(msgspec.Struct, frozen=True):
    key: str


class HttpCoordinators:
    """Asks the public door of a coordinator: below `/runs` of the address that its DID stands for."""

    def __init__(self, client: HttpClient, identity: Identity) -> None:
        self._client = client
        self._identity = identity

    async def key(self, coordinator: str, manifest: str) -> str:
        """The coordinator's key for the run of a signed manifest, signed by it.

        Raises:
            SiteAwayError: no answer; ask again later.
            SiteRefusedError: it leads no such run, or its answer is no key.
        """
        said = await self._post(coordinator, "/runs", {"manifest": manifest})
        return self._read(coordinator, said, _CoordinatorKey).key

    async def hand_over(self, coordinator: str, run: str, sealed: str) -> None:
        """Hand over the sealed mandate of a run.

        Raises:
            SiteAwayError, SiteRefusedError: as for `key`.
        """
        await self._post(coordinator, path("runs", run, "mandate"), {"sealed": sealed})

    async def told(self, coordinator: str, run: str, seen: str) -> RunStatus:
        """How the run stands.

        Raises:
            SiteAwayError, SiteRefusedError: as for `key`.
        """
        query = f"?seen={seen}" if seen.isalnum() else ""
        said = await self._call(coordinator, "GET", f"{path('runs', run)}{query}")
        return await asyncio.to_thread(self._read, coordinator, said, RunStatus)

    async def cancel(self, coordinator: str, run: str) -> None:
        """Have the run cancelled.

        Raises:
            SiteAwayError, SiteRefusedError: as for `key`.
        """
        await self._post(coordinator, path("runs", run, "cancel"), {})

    async def _post(self, coordinator: str, where: str, said: JsonObject) -> JsonObject:
        return await self._call(coordinator, "POST", where, _encoder.encode(said))

    async def _call(self, coordinator: str, method: str, where: str, body: bytes = b"") -> JsonObject:
        headers = {"Authorization": f"Bearer {self._identity.token_for(coordinator)}"}
        try:
            url = f"{base_url(coordinator).rstrip('/')}{where}"
            answer = await self._client.request(
                method, url, headers=headers, body=body, limit=LARGEST_ANSWER, timeout=WAIT
            )
            return answered(url, answer)
        except AnswerTooLargeError as error:  # and it will be again
            raise SiteRefusedError(site=coordinator, reason=error.text, refusal=error.code) from error
        except (UnreachableError, JobBusyError) as error:
            raise SiteAwayError(site=coordinator, reason=error.text) from error
        except DidError as error:
            raise SiteRefusedError(site=coordinator, reason=error.text, refusal=error.code) from error
        except JobRefusedError as error:
            raise _refused(coordinator, error) from error

    def _read(self, coordinator: str, said: JsonObject, form: type[T]) -> T:
        try:
            return msgspec.convert(said, form)
        except (msgspec.ValidationError, RecursionError):
            raise SiteRefusedError(site=coordinator, reason=Text(msgid("its answer cannot be read"))) from None


def _refused(coordinator: str, error: JobRefusedError) -> SiteAwayError | SiteRefusedError:
    facts = error.facts
    refusal = str(facts["refusal"])
    if facts.get("status") == UNAUTHENTICATED:  # it may pass: a clock that is off, a member that is new
        said = Text(msgid("it does not recognise us ({refusal})"), {"refusal": refusal})
        return SiteAwayError(site=coordinator, reason=said)
    words = str(facts["reason"]).rstrip(".") or refusal
    return SiteRefusedError(site=coordinator, reason=Text("{words}", {"words": words}), refusal=refusal)
