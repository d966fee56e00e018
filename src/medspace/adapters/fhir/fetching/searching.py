"""REST search, page by page (FHIR R4, 3.1.1): the resources of each type, complete or not at all.

What happens to the pages while they are read shows: a resource that comes in two versions, a total that is not
reached. Then the type is read anew, a few times.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from medspace.adapters.fhir.errors import ChangedMeanwhileError, FhirServerError
from medspace.adapters.fhir.fetching.calls import FhirCalls, read_answer
from medspace.adapters.fhir.fetching.exporting import Tell
from medspace.adapters.fhir.fetching.folder import MOST_RESOURCES, Fetched, FhirFolder, Keeper
from medspace.core.clock import stamp
from medspace.core.hashing import digest_bytes
from medspace.core.text import Text, msgid

MOST_PAGES = 1_000_000
MOST_EMPTY = 10  # pages in a row that bring nothing new
ATTEMPTS = 3  # to read a type that changes


class _BundleLink(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _BundleSearch(msgspec.Struct):
    mode: str = "match"


class _BundleEntry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    search: _BundleSearch = msgspec.field(default_factory=_BundleSearch)


class _SearchPage(msgspec.Struct):
    """What is read of a Bundle of type `searchset`."""

    type: str
    total: int | None = None
    link: list[_BundleLink] = msgspec.field(default_factory=list)
    entry: list[_BundleEntry] = msgspec.field(default_factory=list)

    @property
    def next(self) -> str:
        """Where it goes on, "" at the end."""
        return next((one.url for one in self.link if one.relation == "next"), "")


_PAGE = msgspec.json.Decoder(_SearchPage)


@dataclass(slots=True)
class FhirSearch:
    """The resources of one server, by search."""

    calls: FhirCalls
    folder: FhirFolder
    keeper: Keeper
    tell: Tell

    async def run(self) -> Fetched:
        """All resources of the types that are wanted.

        Raises:
            FhirAwayError: the server does not answer.
            FhirServerError: it refuses, or its answers cannot be used.
        """
        self.folder.forget()
        fetched = Fetched(stamp(self.calls.clock.now()), whole=True)
        for kind in self.calls.server.types:
            count = await self._unchanged(kind)
            fetched.parts[kind] = [self.folder.part(f"{kind}.ndjson")]
            self.tell(Text(msgid("{kind}: {count} resources"), {"kind": kind, "count": count}))
        return fetched

    async def _unchanged(self, kind: str) -> int:
        for attempt in range(ATTEMPTS):
            try:
                return await self._of_type(kind)
            except ChangedMeanwhileError:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    async def _of_type(self, kind: str) -> int:
        """Read all pages of a type into its file."""
        url = f"{self.calls.server.base}/{kind}?{urlencode({'_count': self.calls.server.page})}"
        seen, visited, empty, total = dict[str, str](), set[str](), 0, None
        path = self.folder.part(f"{kind}.ndjson")
        with path.open("wb") as file:
            path.chmod(0o600)
            while url:
                _check_visit(kind, url, visited)
                page = await self._page(kind, url)
                lines = self._new(kind, page, seen)
                file.writelines(lines)
                empty = 0 if lines else empty + 1
                if empty > MOST_EMPTY:
                    raise FhirServerError(kind, msgid("its pages go on and bring nothing new"))
                if total is not None and page.total not in (None, total):
                    raise ChangedMeanwhileError(kind, msgid("its total changes from page to page"))
                total = page.total if page.total is not None else total
                url = self.calls.followed(kind, page.next) if page.next else ""
        if total is not None and total != len(seen):
            facts: dict[str, Any] = {"count": len(seen), "total": total}
            raise ChangedMeanwhileError(kind, msgid("its pages have {count} resources, its total is {total}"), facts)
        return len(seen)

    async def _page(self, kind: str, url: str) -> _SearchPage:
        answer = await self.calls.get(kind, url)
        said = read_answer(kind, answer)
        try:
            page = _PAGE.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise FhirServerError(kind, msgid("it is not a page of a search")) from None
        if said.get("resourceType") != "Bundle" or page.type != "searchset":
            raise FhirServerError(kind, msgid("it is not a page of a search"))
        return page

    def _new(self, kind: str, page: _SearchPage, seen: dict[str, str]) -> list[bytes]:
        """The resources of a page that no page before had, in lines.

        Raises:
            ChangedMeanwhileError: one comes again, as another version.
            FhirServerError: one cannot be used, or there are too many.
        """
        lines = list[bytes]()
        for entry in page.entry:
            if entry.search.mode != "match":
                continue
            identifier, line = self.keeper.line(kind, kind, bytes(entry.resource))
            digest = digest_bytes(line)
            known = seen.setdefault(identifier, digest)
            if known != digest:
                raise ChangedMeanwhileError(
                    kind, msgid("a resource came in two versions: it changes while it is read")
                )
            if known is digest:
                lines.append(line + b"\n")
        if len(seen) > MOST_RESOURCES:
            raise FhirServerError(kind, msgid("there are more than {most} resources"), {"most": MOST_RESOURCES})
        return lines


def _check_visit(kind: str, url: str, visited: set[str]) -> None:
    """Refuse pages that lead in a circle, or go on for ever."""
    if url in visited:
        raise FhirServerError(kind, msgid("its pages lead in a circle"))
    visited.add(url)
    if len(visited) > MOST_PAGES:
        raise FhirServerError(kind, msgid("it has more than {most} pages"), {"most": MOST_PAGES})
