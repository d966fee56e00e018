"""What the logs of several holders say about one run: they saw the same manifest, or the user showed two."""

from collections.abc import Iterable, Iterator

from medspace.core.text import msgid
from medspace.ledger.report import MANIFEST, AuditFinding, LogPosition
from medspace.ledger.statements import LogLine, Statements

TWO = msgid("{user} showed {party} another manifest of the run {run} than this holder.")


def check(logs: Iterable[Statements]) -> Iterator[AuditFinding]:
    """Each run that holders answered under a manifest: the same one at every site and from start to end."""
    first: dict[tuple[str, str], tuple[str, LogLine]] = {}
    spoiled: set[tuple[str, str]] = set()
    for log in logs:
        for line in log.admissions.values():
            facts = line.facts
            if "run" not in facts or "manifest" not in facts:
                continue
            run = facts["user"], facts["run"]
            origin, shown = first.setdefault(run, (log.origin, line))
            if shown.facts["manifest"] != facts["manifest"] and run not in spoiled:
                spoiled.add(run)
                said = {"user": facts["user"], "run": facts["run"], "party": origin}
                yield MANIFEST.failed(LogPosition(log.origin, line.index), "two", TWO, **said)
    yield from (
        MANIFEST.verified(LogPosition(origin, shown.index))
        for run, (origin, shown) in first.items()
        if run not in spoiled
    )
