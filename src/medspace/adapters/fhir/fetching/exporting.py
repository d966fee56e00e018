"""Bulk export (HL7 Bulk Data Access 2.0): a job that is started, waited for, and taken; gone on with after an end.

What is known of the job is written down at each step. A file is taken whole or again; what is in its lines is checked
as they come. A job that failed or is known no more is forgotten, and the next fetch starts another.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from medspace.adapters.fhir.errors import FhirAwayError, FhirServerError
from medspace.adapters.fhir.fetching.calls import (
    ACCEPTED,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    OK,
    PASSING,
    TRIES,
    UNAUTHORIZED,
    FhirCalls,
    origin_of,
    read_answer,
)
from medspace.adapters.fhir.fetching.folder import ExportJob, Fetched, FetchState, FhirFolder, Keeper
from medspace.adapters.fhir.fetching.lines import split
from medspace.adapters.fhir.ndjson import LONGEST_LINE
from medspace.adapters.http.client import Streamed
from medspace.core.canonical import JsonObject
from medspace.core.clock import instant, stamp
from medspace.core.text import Text, msgid

JOB, STATUS, MANIFEST = "export", "export status", "export manifest"
POLL_PAUSE = 5.0  # seconds between two looks at a job, where the server names none
MOST_FILES = 100_000
Tell = Callable[[Text], None]


@dataclass(slots=True)
class Export:
    """One export into a folder."""

    calls: FhirCalls
    folder: FhirFolder
    keeper: Keeper
    state: FetchState
    tell: Tell

    async def run(self) -> Fetched:
        """All of it: from a start or from where it stopped, to files that are here.

        Raises:
            FhirAwayError: the server does not answer, or needs longer; the job goes on with the next fetch.
            FhirServerError: it refuses, or its answers cannot be used; the job is forgotten.
        """
        try:
            job = self.state.job or await self._start()
            if job.manifest is None:
                job.manifest = await self._manifest(job)
                self.folder.note(self.state)
            return await self._taken(job, job.manifest)
        except FhirServerError:
            self.state.job = None
            self.folder.forget()
            self.folder.note(self.state)
            raise

    async def _start(self) -> ExportJob:
        self.folder.forget()
        server = self.calls.server
        level = f"Group/{server.group}" if server.group else "Patient"
        asked = {"_type": ",".join(server.types), "_outputFormat": "application/fhir+ndjson"}
        asked |= {"_since": self.state.time} if self.state.time else {}
        url = f"{server.base}/{level}/$export?{urlencode(asked)}"
        answer = await self.calls.get(JOB, url, {"Prefer": "respond-async"})
        if answer.status != ACCEPTED:
            read_answer(JOB, answer, status=ACCEPTED)
        status = self.calls.followed(JOB, answer.headers.get("content-location"))
        self.state.job = ExportJob(status, stamp(self.calls.clock.now()))
        self.folder.note(self.state)
        self.tell(Text(msgid("The server prepares an export.")))
        return self.state.job

    async def _manifest(self, job: ExportJob) -> JsonObject:
        """What the job gives, once it is done."""
        while True:
            answer = await self.calls.get(STATUS, job.status)
            if answer.status != ACCEPTED:
                return _checked(read_answer(STATUS, answer), self.calls.server.types)
            waited = (self.calls.clock.now() - instant(job.started)).total_seconds()
            if waited > self.calls.server.hours * 3600:
                hours = Text("{hours}", {"hours": f"{self.calls.server.hours:g}"})
                raise FhirServerError(STATUS, msgid("it was not done after {hours} hours"), {"hours": hours})
            await self.calls.clock.sleep(max(1.0, self.calls.pause(answer.headers, POLL_PAUSE, STATUS)))

    async def _taken(self, job: ExportJob, manifest: JsonObject) -> Fetched:
        for entry in manifest["error"]:
            await self._refuse_errors(entry, manifest)
        fetched = Fetched(str(manifest["transactionTime"]), whole=not self.state.time)
        for entry in manifest["output"]:
            name = job.done.get(entry["url"])
            if name is None:
                name = f"{len(job.done):06}.ndjson"
                await self._file(entry, manifest, name)
                job.done[entry["url"]] = name
                self.folder.note(self.state)
            fetched.parts.setdefault(entry["type"], []).append(self.folder.part(name))
        for entry in manifest["deleted"]:
            async for line in self._lines("deleted", entry, manifest):
                fetched.deleted |= deletions(line)
        await self.calls.delete(job.status)
        return fetched

    async def _file(self, entry: JsonObject, manifest: JsonObject, name: str) -> None:
        """Take one file, whole, within some tries."""
        kind, said = str(entry["type"]), entry.get("count")
        for tried in range(TRIES):
            try:
                count = await self._kept(kind, entry, manifest, name)
            except FhirAwayError:
                if tried == TRIES - 1:
                    raise
                await self.calls.clock.sleep(min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE))
                continue
            if isinstance(said, int) and said != count:
                facts: dict[str, str | int | Text] = {"said": said, "count": count}
                raise FhirServerError(kind, msgid("a file has {count} resources, not {said} as was said"), facts)
            self.tell(Text(msgid("{kind}: {count} resources"), {"kind": kind, "count": count}))
            return

    async def _kept(self, kind: str, entry: JsonObject, manifest: JsonObject, name: str) -> int:
        count = 0
        path = self.folder.part(name)
        with path.open("wb") as file:
            path.chmod(0o600)
            async for line in self._lines(kind, entry, manifest):
                file.write(self.keeper.line(kind, kind, line)[1] + b"\n")
                count += 1
        return count

    async def _lines(self, what: str, entry: JsonObject, manifest: JsonObject) -> AsyncIterator[bytes]:
        """The lines of a file of the manifest.

        Raises:
            FhirAwayError: it does not come now.
            FhirServerError: it is refused, or leads elsewhere.
        """
        url = self.calls.followed(what, entry.get("url"), files=True)
        own = origin_of(url) == origin_of(self.calls.server.base)
        async with self.calls.file(
            what, url, token=own and bool(manifest.get("requiresAccessToken", True))
        ) as answer:
            self._check_status(what, answer)
            async for line in split(answer.pieces, LONGEST_LINE, what):
                yield line

    def _check_status(self, what: str, answer: Streamed) -> None:
        if answer.status == OK:
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind.startswith("text/html"):
                raise FhirServerError(what, msgid("it is a page for people, no file of resources"))
            return
        told = Text(msgid("it answered with status {status}"), {"status": answer.status})
        if answer.status == UNAUTHORIZED and self.calls.tokens is not None:
            self.calls.tokens.forget()
            raise FhirAwayError(what, told)
        if answer.status in PASSING:
            raise FhirAwayError(what, told)
        raise FhirServerError(what, told)

    async def _refuse_errors(self, entry: JsonObject, manifest: JsonObject) -> None:
        """Refuse an export that says itself that something is missing in it; warnings do not count."""
        async for line in self._lines("export errors", entry, manifest):
            said = _decoded(line)
            issues = said.get("issue") if said else None
            if not isinstance(issues, list) or any(_is_serious(one) for one in issues):
                raise FhirServerError(MANIFEST, msgid("the server could not export everything"))


def _is_serious(issue: Any) -> bool:  # noqa: ANN401 - JSON
    return not isinstance(issue, dict) or issue.get("severity") not in ("warning", "information", "success")


def _decoded(line: bytes) -> JsonObject | None:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _checked(manifest: JsonObject, types: tuple[str, ...]) -> JsonObject:
    """A manifest of which the parts that are read are what they must be.

    Raises:
        FhirServerError: they are not.
    """
    if "output" not in manifest:
        raise FhirServerError(MANIFEST, msgid("it lists no files"))
    try:
        instant(manifest.get("transactionTime") or "")
    except (ValueError, TypeError):
        raise FhirServerError(MANIFEST, msgid("it does not say up to which time it is")) from None
    for name in ("output", "deleted", "error"):
        entries = manifest[name] = manifest.get(name) or []
        usable = isinstance(entries, list) and all(isinstance(one, dict) for one in entries)
        if not usable or len(entries) > MOST_FILES:
            raise FhirServerError(MANIFEST, msgid("`{name}` is not a list of files, or too long"), {"name": name})
    if any(entry.get("type") not in types or not isinstance(entry.get("url"), str) for entry in manifest["output"]):
        raise FhirServerError(MANIFEST, msgid("it lists files of types that were not asked for"))
    return manifest


def deletions(line: bytes) -> set[tuple[str, str]]:
    """What a Bundle of deleted resources names, by type and id.

    Raises:
        FhirServerError: it is no such Bundle.
    """
    said, found = _decoded(line), set[tuple[str, str]]()
    entries = said.get("entry", []) if said is not None and said.get("resourceType") == "Bundle" else None
    for entry in entries if isinstance(entries, list) else [None]:
        request = entry.get("request") if isinstance(entry, dict) else None
        url = request.get("url") if isinstance(request, dict) and request.get("method") == "DELETE" else None
        kind, slash, identifier = url.rpartition("/") if isinstance(url, str) else ("", "", "")
        if not slash or not identifier:
            raise FhirServerError("deleted", msgid("it is not a list of deleted resources"))
        found.add((kind.rpartition("/")[2], identifier))
    return found
