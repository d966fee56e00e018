"""Offline proof for people: exported logs from files, verified against one key, reported in their language."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from medspace.app.features.audit.exported import contents
from medspace.app.node.authority_key import authority_key
from medspace.app.node.language import speaker
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, counted, msgid
from medspace.ledger import audit, bundle, entry_proof, lineage, questions
from medspace.ledger.report import Accusation, AuditFinding, BudgetSpent, Count, PeriodSpent, Report, ShownCount
from medspace.privacy.noise.accounting import epsilon_of
from medspace.services.membership.listing import read_list

PLACES = 10_000.0  # of an epsilon


def read_bundles(files: Sequence[Path]) -> list[bundle.Bundle]:
    """Read the bundles in files.

    Raises:
        BundleFileError: a file cannot be read.
        MalformedBundleError: a file contains something else.
    """
    return [bundle.read(content) for content in contents(files, bundle.LARGEST_BUNDLE)]


def read_questions(files: Sequence[Path]) -> list[questions.ShownQuestions]:
    """Read the questions that holders show in files.

    Raises:
        BundleFileError: a file cannot be read.
        MalformedQuestionsError: a file contains something else.
    """
    return [questions.read(content) for content in contents(files, questions.LARGEST_FILE)]


def verify_files(
    files: Sequence[Path],
    key: str,
    language: str,
    now: datetime | None = None,
    questions_files: Sequence[Path] = (),
    records_files: Sequence[Path] = (),
    model_files: Sequence[Path] = (),
) -> JsonObject:
    """The audit report of these files, as JSON; see `ledger.audit.verify` for what it proves."""
    shown, bundles, trusted = read_questions(questions_files), read_bundles(files), authority_key(key)
    beside: Sequence[audit.Beside] = ()
    if records_files or model_files:
        from medspace.app.features.audit.replaying import beside_logs  # noqa: PLC0415 - what computes is imported only when needed

        beside = beside_logs(bundles, trusted, records_files, model_files)
    report = audit.verify(bundles, trusted, now or _now(), read_list, shown=shown, beside=beside)
    return told(report, language)


def verify_entry_files(files: Sequence[Path], key: str, language: str, now: datetime | None = None) -> JsonObject:
    """What entries that are shown by themselves prove, as JSON.

    Raises:
        BundleFileError: a file cannot be read.
        MalformedEntryProofError: a file holds something else.
    """
    proofs = [entry_proof.read(content) for content in contents(files, entry_proof.LARGEST_FILE)]
    return told(audit.verify_entries(proofs, authority_key(key), now or _now(), read_list), language)


def _now() -> datetime:
    return datetime.now(UTC)


def told(report: Report, language: str) -> JsonObject:
    """A report as JSON, its sentences in a language."""
    speak = speaker(language)
    counts = report.counts
    return {
        "outcome": report.outcome.value,
        "entries": report.entries,
        "logs": list(report.logs),
        "verified": sum(count.verified for count in counts),
        "failed": sum(count.failed for count in counts),
        "unverifiable": sum(count.unverifiable for count in counts),
        "open": sum(count.open for count in counts),
        "checks": [_check(count, speak) for count in counts],
        "findings": [_finding(finding, speak) for finding in report.findings],
        "questions": [_shown(shown) for shown in report.questions],
        "accusations": [_accusation(said) for said in report.accusations],
        "budgets": [_budget(spent) for spent in report.budgets],
    }


def _check(count: Count, speak: Callable[[str], str]) -> JsonObject:
    return {
        "check": count.check,
        "outcome": count.outcome.value,
        "sentence": count.says.render(speak),
        "verified": count.verified,
        "failed": count.failed,
        "unverifiable": count.unverifiable,
        "open": count.open,
    }


def _shown(shown: ShownCount) -> JsonObject:
    return {"log": shown.holder, "admitted": shown.admitted, "shown": shown.shown, "not_shown": shown.not_shown}


def _accusation(said: Accusation) -> JsonObject:
    return {"log": said.origin, "names": said.named, "code": said.code, "run": said.run, "entry": said.index}


def _budget(spent: BudgetSpent) -> JsonObject:
    """What a dataset has spent; epsilon is that of zCDP at the delta of the period, rounded up."""
    latest = spent.periods[-1]
    return {
        "log": spent.origin,
        "dataset": spent.asset,
        "periods": [_period(period) for period in spent.periods],
        "agreements": [
            {"agreement": one.agreement, "spent": _epsilon(one.taken, latest.delta), "rho": str(one.taken)}
            for one in spent.agreements
        ],
    }


def _period(spent: PeriodSpent) -> JsonObject:
    return {
        "since": spent.since,
        "until": spent.until,
        "epsilon": spent.epsilon,
        "delta": spent.delta,
        "unit": spent.unit,
        "spent": _epsilon(spent.taken, spent.delta),
        "debits": spent.debits,
        "vouched": spent.vouched,
        "rho": {"limit": spent.limit and str(spent.limit), "spent": str(spent.taken), "back": str(spent.refunded)},
    }


def _epsilon(rho: int, delta: str) -> float | None:
    """None where the log names no delta for the epsilon."""
    try:
        return ceil(epsilon_of(max(rho, 0), float(delta)) * PLACES) / PLACES if rho > 0 else 0.0
    except (ValueError, OverflowError, MedspaceError):
        return None


def _finding(finding: AuditFinding, speak: Callable[[str], str]) -> JsonObject:
    return {
        "check": finding.check,
        "outcome": finding.outcome.value,
        "code": finding.code,
        "sentence": finding.text.render(speak),
        "log": finding.origin,
        "entry": finding.index,
    }


def lineage_of_files(files: Sequence[Path], language: str, model_files: Sequence[Path] = ()) -> JsonObject:
    """Where each model came from: `story`, indented sentences, and `prov`, W3C PROV-shaped JSON, one per run.

    It repeats what the logs say, and what the sites of models signed: the objective of each question and who took
    part. Verify the logs first. `left_out` are sentences on entries that this program cannot read; `prov` counts
    them.
    """
    speak = speaker(language)
    logs = {read.origin: audit.readable(read) for read in read_bundles(files)}
    found = [run for _, run in lineage.runs(logs)]
    asked: Mapping[str, Sequence[lineage.SignedQuestion]] = {}
    if model_files:
        from medspace.app.features.audit.replaying import questions_of  # noqa: PLC0415

        asked = questions_of(model_files)
    branches = [branch for run in found for branch in lineage.tree(logs, run, asked.get(run, ()))]
    story = ["  " * branch.depth + branch.text.render(speak) for branch in branches]
    lacking = {log.origin: log.left_out for log in logs.values() if log.left_out}
    return {
        "story": story,
        "left_out": [_left_out(log, count).render(speak) for log, count in lacking.items()],
        "prov": {
            "runs": {run: lineage.prov(logs, run, asked.get(run, ())) for run in found},
            "left_out": lacking,
        },
    }


def _left_out(log: str, count: int) -> Text:
    entries = counted(count, msgid("{count} entry"), msgid("{count} entries"))
    sentence = msgid(
        "Left out: {entries} in the log of {log}, which this program cannot read. `medspace audit verify` says why."
    )
    return Text(sentence, {"entries": entries, "log": log})
