"""A table that shall be offered, looked at: its drafted dictionary beside a profile of each column, as JSON.

Blocking, and kept for as long as neither the file nor what was said of it changes: one look reads the whole file.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from medspace.adapters.duckdb.drafting import Draft, DraftOptions, candidates, draft
from medspace.adapters.duckdb.findings import Drafted
from medspace.adapters.duckdb.histograms import ColumnProfile, ProfileBar, profile
from medspace.adapters.duckdb.reading import form_of
from medspace.adapters.oswords import why
from medspace.app.features.offers.keeping import OfferDraft, SaidOfTable, UploadRefusedError
from medspace.core.canonical import JsonObject
from medspace.core.errors import WaitingError
from medspace.core.text import Text, msgid

KEPT = 8
MOST_CELLS = 100  # findings of single cells that a page lists
FORMS = ("csv", "parquet")  # that may be uploaded: a database may hold queries of whoever made it
MOST_WAITING = 4  # looks that wait for the one that is being taken
Look = tuple[Draft, tuple[ColumnProfile, ...]]
P = ParamSpec("P")
T = TypeVar("T")


class LooksBusyError(WaitingError):
    """Too many tables are to be looked at."""

    code = "offer.looks_busy"
    sentence = msgid("Other tables are being looked at, and as many wait as may.")
    next_step = msgid("Try again in a minute.")


def options_of(said: SaidOfTable) -> DraftOptions:
    """What was said of a table, as drafting takes it; a kind comes first, since it takes other things back."""
    texts = [
        f"{column}={value}" if key == "type" else f"{column}.{key}={value}"
        for column, keys in said.columns.items()
        for key, value in sorted(keys.items(), key=lambda one: one[0] != "type")
    ]
    return DraftOptions(
        person="" if said.rows_are_persons else said.person,
        rows_are_persons=said.rows_are_persons,
        leave_out=said.leave_out,
        leave_out_rows=said.leave_out_rows,
        settings=tuple(texts),
    )


def known(said: SaidOfTable, drafted: Draft) -> SaidOfTable:
    """What was said, without what is said of columns and codes that the table does not have."""
    found = {one.column.name: one for one in drafted.columns}
    codes = {
        name: {code: words for code, words in meant.items() if code in found[name].column.codes}
        for name, meant in said.codes.items()
        if name in found
    }
    return replace(
        said,
        leave_out=tuple(dict.fromkeys(name for name in said.leave_out if name in found)),
        columns={name: keys for name, keys in said.columns.items() if name in found},
        codes={name: meant for name, meant in codes.items() if meant},
    )


def check_upload(file: Path) -> None:
    """Refuse an uploaded file of a form that is not taken from a browser.

    Raises:
        UploadRefusedError: it is one.
    """
    try:
        form = form_of(file)
    except OSError as error:
        raise UploadRefusedError(why(error)) from error
    if form not in FORMS:
        raise UploadRefusedError(Text(msgid("it is a database; save its table as CSV or Parquet")))


def first_said(file: Path) -> SaidOfTable:
    """What is assumed of a table that nobody has said anything of: who its persons are, if its names tell.

    Raises:
        MedspaceError: it cannot be read as a table.
    """
    likely = candidates(file).likely
    return SaidOfTable(person=likely[0] if likely else "")


@dataclass(slots=True)
class TableLooks:
    """Looks at tables, one at a time: each may take a gigabyte."""

    _kept: OrderedDict[str, tuple[Hashable, Look]] = field(default_factory=OrderedDict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "offer-looks"))
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1 + MOST_WAITING))

    async def turn(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a piece of work on a table returns, once no other is being done; who waits holds no thread.

        Raises:
            LooksBusyError: too many wait already.
        """
        if not self._places.acquire(blocking=False):
            raise LooksBusyError
        future = self._thread.submit(work, *args, **kwargs)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    async def look(self, made: OfferDraft) -> Look:
        """The draft of its dictionary, and the profiles.

        Raises:
            LooksBusyError: as `turn`.
            MedspaceError: the file cannot be read as a table, or what was said of it cannot be.
        """
        return await self.turn(self._look, made)

    def _look(self, made: OfferDraft) -> Look:
        path, key = Path(made.file), self._key(made)
        known, found = self._kept.get(made.id, (None, None))
        if found is None or known != key:
            drafted = draft(path, options_of(made.said))
            found = drafted, profile(path, drafted)
            self._kept[made.id] = key, found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _key(self, made: OfferDraft) -> Hashable:
        try:
            status = Path(made.file).stat()
        except OSError as error:
            raise UploadRefusedError(why(error)) from error
        return repr(replace(made.said, codes={})), status.st_mtime_ns, status.st_size


def shown(found: Look, said: SaidOfTable) -> JsonObject:
    """What was found, as JSON but for its sentences, which are still texts."""
    drafted, profiles = found
    cells = [one for one in drafted.findings if one.kind == "cell"]
    return {
        "form": drafted.form,
        "encoding": drafted.dialect.encoding if drafted.dialect else "",
        "rows_about": drafted.rows // 10 * 10,
        "persons_about": drafted.persons // 10 * 10,
        "person": drafted.person,
        "rows_are_persons": said.rows_are_persons,
        "odd_rows": [{"kind": one.kind, "rows": list(one.rows), "count": one.count} for one in drafted.odd_rows],
        "leave_out_rows": list(said.leave_out_rows),
        "notes": [
            {"kind": one.kind, "column": one.column, "sentence": one.said}
            for one in drafted.notes
            if one.kind != "rows"
        ],
        "cells": [{"row": one.row, "column": one.column, "sentence": one.said} for one in cells[:MOST_CELLS]],
        "cells_in_all": len(cells),
        "columns": [
            _column(one, profiled, drafted, said) for one, profiled in zip(drafted.columns, profiles, strict=True)
        ],
    }


def _column(one: Drafted, profiled: ColumnProfile, drafted: Draft, said: SaidOfTable) -> JsonObject:
    column, out = one.column, one.left_out
    meanings = said.codes.get(column.name, {})
    unsure = [finding for finding in one.findings if finding.kind == "unsure"]
    return {
        "name": column.name,
        "person": column.name == drafted.person,
        "type": column.type.value,
        "why": one.why if out is None else out,
        "left_out": out is not None,
        "said_left_out": one.said,
        "unsure": bool(unsure),
        "fixable": out is None or one.said or any(each.kind in ("unsure", "cells") for each in one.findings),
        "choices": _choices(unsure),
        "unbounded": one.unbounded,
        "empty": one.empty,
        "unit": column.unit,
        "description": column.description,
        "written": column.written,
        "missing_marks": list(column.missing),
        "minimum": _bound(column.minimum),
        "maximum": _bound(column.maximum),
        "codes": {code: meanings.get(code, "") for code in column.codes},
        "missing_about": profiled.missing,
        "bars": [_bar(bar) for bar in profiled.bars],
        "low": profiled.low,
        "high": profiled.high,
    }


def _choices(unsure: Any) -> list[str]:  # noqa: ANN401 - findings
    """The ways to write that a finding names, from the step that it proposes."""
    if not unsure or unsure[0].step is None:
        return []
    words = str(unsure[0].step).split("written=")[1:]
    return [word.partition("'")[0] for word in words]


def _bound(bound: Any) -> str:  # noqa: ANN401 - a number, a day, or None
    if bound is None:
        return ""
    return f"{bound:.12g}" if isinstance(bound, float | int) else str(bound)


def _bar(bar: ProfileBar) -> JsonObject:
    return {"count": bar.count, "value": bar.value, "low": bar.low, "high": bar.high, "rest": bar.rest}
