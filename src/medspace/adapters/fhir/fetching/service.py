"""Fetch the resources of a server into a folder, as its settings say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medspace.adapters.fhir.errors import FhirSettingsError, ResourcesRefusedError
from medspace.adapters.fhir.fetching.calls import FhirCalls
from medspace.adapters.fhir.fetching.exporting import Export
from medspace.adapters.fhir.fetching.folder import Fetched, FetchState, FhirFolder, Keeper
from medspace.adapters.fhir.fetching.login import FhirTokens
from medspace.adapters.fhir.fetching.searching import FhirSearch
from medspace.adapters.fhir.fetching.settings import FhirServer, read_settings
from medspace.adapters.http.client import HttpClient
from medspace.adapters.http.dialling import tls_context
from medspace.adapters.http.guard import Guard
from medspace.adapters.oswords import why
from medspace.adapters.system import SystemClock, SystemRandomness
from medspace.core.canonical import JsonObject
from medspace.core.clock import Clock, Randomness
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text


def _silent(_: Text) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class FetchParts:
    """What a fetch works with; injected by tests. `tell` is told of each step."""

    clock: Clock = field(default_factory=SystemClock)
    randomness: Randomness = field(default_factory=SystemRandomness)
    tell: Callable[[Text], None] = _silent


async def fetch(file: Path, path: Path, *, whole: bool = False, parts: FetchParts | None = None) -> JsonObject:
    """Fetch what a file of settings describes into a folder; how many resources of each type are there then.

    An export brings what changed since the last one, unless `whole`, or unless something else is wanted than then.

    Raises:
        FhirSettingsError, ViewError, FileExposedError: the file cannot be used.
        SecretFileError, SecretExposedError: the file of a key or a secret cannot be used, or others can write to the
            folder.
        FhirAwayError: the server does not answer now, or another fetch is at work; the same call goes on later.
        FhirServerError: the server refuses, or its answers cannot be used. The folder stays as it was.
        ResourcesRefusedError: the folder cannot be used.
    """
    server, parts = read_settings(file), parts or FetchParts()
    folder, keeper = FhirFolder(path), Keeper.of(server)
    wanted = _wanted(server, keeper)
    with folder.opened() as state, _on_disk(path):
        if state.wanted != wanted or whole:
            state = FetchState(wanted)  # noqa: PLW2901 - what was known is of something else
        since = state.time
        http = _client(file, server)
        try:
            tokens = FhirTokens(server, server.login, http, parts.clock, parts.randomness) if server.login else None
            calls = FhirCalls(server, http, tokens, parts.clock)
            fetched = await _fetched(calls, folder, keeper, state, parts)
        finally:
            await http.close()
        counts = folder.replace(
            fetched, server.types, FetchState(wanted, fetched.time if server.way == "export" else "")
        )
    return {"resources": counts, "since": since, "until": fetched.time, "deleted": len(fetched.deleted)}


@contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    """What goes wrong with the folder itself, such as a full disk, in our words."""
    try:
        yield
    except OSError as error:
        raise ResourcesRefusedError(path.name, 0, why(error)) from None


async def _fetched(
    calls: FhirCalls, folder: FhirFolder, keeper: Keeper, state: FetchState, parts: FetchParts
) -> Fetched:
    if calls.server.way == "search":
        return await FhirSearch(calls, folder, keeper, parts.tell).run()
    return await Export(calls, folder, keeper, state, parts.tell).run()


def _wanted(server: FhirServer, keeper: Keeper) -> str:
    """What is wanted of whom, as one word: with another, nothing that was known holds."""
    return digest_bytes(f"{server.base}\n{server.way}\n{server.group}\n{keeper.digest}".encode())


def _client(file: Path, server: FhirServer) -> HttpClient:
    try:
        tls = tls_context(server.certificates) if server.certificates else None
    except OSError as error:
        raise FhirSettingsError(str(file), why(error)) from None
    return HttpClient(Guard.of(server.networks), tls=tls)
