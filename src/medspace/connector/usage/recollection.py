"""What was answered before, on which rows.

A repeated question gets the same answer; nearly unchanged rows answer nothing new.

Contents are compared by the sums of the rows within the scope: two scopes of one table are two contents, like two
extracts. So if two scopes differ by only a few persons, the second is asked nothing; and since the digest of a
question includes its scope, it is never given an answer that was made under another one.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from medspace.connector.usage import brakes
from medspace.connector.usage.contents import Contents, Scope
from medspace.connector.usage.notebook import Notebook
from medspace.connector.usage.versions import Content
from medspace.core.decision import Decision
from medspace.core.store import Transaction
from medspace.core.usage import Release


@dataclass(frozen=True, slots=True)
class Sought:
    """What a question is put to, and what decides its answer: `request` is the digest of that without the rows."""

    asset: str
    use: str
    scope: Scope
    min_cohort: int
    request: str
    columns: Callable[[], frozenset[str] | None]  # columns that the answer can depend on; None means all
    alone: bool  # the use's memory also decides the answer, so no other use's answer applies
    rowless: bool = False  # it is put to no rows


@dataclass(frozen=True, slots=True)
class Recalled:
    """The stored answer; whether there may be one on rows not read yet; what forbids a new one."""

    known: Release | None
    perhaps: bool
    unchanged: Decision


@dataclass(frozen=True, slots=True)
class Recollection:
    """Looks up questions and answers; with `changes` off, changed rows count as those that answered before."""

    notebook: Notebook
    contents: Contents
    changes: bool

    def of(self, tx: Transaction, sought: Sought, now: datetime) -> Recalled:
        """What is known about a question before its rows are opened."""
        if sought.rowless or not self.changes:
            return Recalled(None, perhaps=False, unchanged=brakes.unchanged((), 0))
        content = self.contents.known(sought.asset, sought.scope, sought.use)
        if content is None:
            perhaps = self._recalled(tx, sought, None, now) is not None
            return Recalled(None, perhaps, brakes.unchanged((), 0))
        known, unchanged = self.on(tx, sought, content, now)
        return Recalled(known, perhaps=False, unchanged=unchanged)

    def on(self, tx: Transaction, sought: Sought, content: Content, now: datetime) -> tuple[Release | None, Decision]:
        """The answer that the question got on these rows, and whether they may be asked anything new."""
        least = brakes.fewest_changed(sought.min_cohort)
        alike = content.alike(least, sought.columns)
        known = self._recalled(tx, sought, {content.version, *alike}, now)
        asked = [version for version in alike if self.notebook.asked_of(tx, sought.asset, version, now)]
        return known, brakes.unchanged(() if known else asked, least)

    def _recalled(
        self, tx: Transaction, sought: Sought, versions: Collection[str] | None, now: datetime
    ) -> Release | None:
        if sought.alone:
            return None
        return self.notebook.recalled(tx, sought.asset, sought.request, versions, now)
