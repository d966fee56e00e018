"""A cache before the place that DID documents come from: one fetch in flight for each DID, failures remembered."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from medspace.core.clock import Clock
from medspace.trust.errors import DidError, DocumentError

D_co = TypeVar("D_co", covariant=True)
D = TypeVar("D")

KEEP = timedelta(minutes=5)
KEEP_FAILURE = timedelta(seconds=5)
MOST_KEPT = 4096


class DocumentSource(Protocol[D_co]):
    """Where documents come from: `trust.ports.Documents`, or those with the keys of credentials."""

    async def document(self, did: str) -> D_co:
        """The document of a DID, fetched anew.

        Raises:
            DidError, DocumentError: it cannot be had or used.
        """
        ...


@dataclass(frozen=True, slots=True)
class _CachedAnswer(Generic[D]):
    at: datetime
    answer: D | DidError | DocumentError


class DocumentCache(Generic[D]):
    """A source that is asked at most once in `keep` for each DID (in `keep_failure` after a failure)."""

    def __init__(
        self,
        source: DocumentSource[D],
        clock: Clock,
        *,
        keep: timedelta = KEEP,
        keep_failure: timedelta = KEEP_FAILURE,
    ) -> None:
        self._source = source
        self._clock = clock
        self._keep = keep
        self._keep_failure = keep_failure
        self._kept: dict[str, _CachedAnswer[D]] = {}
        self._in_flight: dict[str, asyncio.Task[_CachedAnswer[D]]] = {}

    async def document(self, did: str) -> D:
        """The document, as it was at most `keep` ago.

        Raises:
            DidError, DocumentError: as the source; also for `keep_failure` after it did.
        """
        return await self._ask(did, self._keep)

    async def fresh(self, did: str) -> D:
        """The document as it is now, for a key that was just changed; asked for no more often than failures are."""
        return await self._ask(did, self._keep_failure)

    async def _ask(self, did: str, keep: timedelta) -> D:
        kept = self._kept.get(did)
        if kept is None or self._clock.now() - kept.at >= self._span(kept, keep):
            kept = await asyncio.shield(self._fetch(did))
        if isinstance(kept.answer, DidError | DocumentError):
            raise kept.answer.with_traceback(None)  # a kept error would grow with every raise
        return kept.answer

    def _span(self, kept: _CachedAnswer[D], keep: timedelta) -> timedelta:
        return self._keep_failure if isinstance(kept.answer, DidError | DocumentError) else keep

    def _fetch(self, did: str) -> asyncio.Task[_CachedAnswer[D]]:
        # A task of its own: a caller that goes away must not take the answer from the others.
        task = self._in_flight.get(did)
        if task is None:
            task = asyncio.create_task(self._fetch_now(did))
            self._in_flight[did] = task
            task.add_done_callback(lambda _: self._in_flight.pop(did, None))
        return task

    async def _fetch_now(self, did: str) -> _CachedAnswer[D]:
        answer: D | DidError | DocumentError
        try:
            answer = await self._source.document(did)
        except (DidError, DocumentError) as error:
            answer = error
        kept = _CachedAnswer(self._clock.now(), answer)
        self._kept.pop(did, None)
        while len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[did] = kept
        return kept
