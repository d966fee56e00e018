"""What was answered before, on which rows: the same question gets the same answer, and rows that few changed none.

The sums that tell two contents apart are those of the rows within the scope: two scopes of one table are two
contents, like two extracts. So of two scopes that few persons tell apart, the second is asked nothing; and since the
digest of a question says its scope, no answer that was made under another one is given.
"""

from collections.abc import Collection
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
    """What a question is put to, and what decides its answer: `request` is the digest of that, beside the rows."""

    asset: str
    scope: Scope
    min_cohort: int
    request: str
    columns: frozenset[str] | None  # that the answer can depend on; None: on every one
    alone: bool  # what the use remembers decides the answer as well: no other use's answer is its own


@dataclass(frozen=True, slots=True)
class Recalled:
    """The answer that was kept; whether there may be one, on rows not read yet; what stands against a new one."""

    known: Release | None
    perhaps: bool
    unchanged: Decision


@dataclass(frozen=True, slots=True)
class Recollection:
    """Looks up questions and answers; with `changes` off, rows are taken for those that answered before."""

    notebook: Notebook
    contents: Contents
    changes: bool

    def of(self, tx: Transaction, sought: Sought, now: datetime) -> Recalled:
        """What is known of a question before its rows are opened."""
        if not self.changes:
            return Recalled(None, perhaps=False, unchanged=brakes.unchanged((), 0))
        content = self.contents.known(sought.asset, sought.scope)
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
