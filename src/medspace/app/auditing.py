"""Offline proof for people: exported logs from files, verified against one key, told in their language."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from medspace.app.language import speaker
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.ledger import audit, bundle, lineage
from medspace.ledger.report import Finding, Report
from medspace.trust.errors import MembersPrematureError
from medspace.trust.jws import JwsError, decode
from medspace.trust.members import LEEWAY, read_members

KEY_BYTES = 32


class AuthorityKeyError(InvalidInputError):
    """An audit needs the authority's public key, from a source that is trusted."""

    code = "audit.authority_key"
    sentence = msgid("The audit needs the public key of the space's authority, 32 bytes in base64url.")
    next_step = msgid(
        "Ask the authority for it, or read it with `medspace doctor`, and give it with --authority-key."
    )


class BundleFileError(InvalidInputError):
    """A bundle's file cannot be read."""

    code = "audit.file"
    sentence = msgid("The file {file} cannot be read: {reason}.")
    next_step = msgid("Name files that `medspace audit export` wrote.")


def authority_key(text: str) -> bytes:
    """The key of the authority as people write it.

    Raises:
        AuthorityKeyError: it is no key.
    """
    try:
        key = decode(text.strip())
    except JwsError:
        raise AuthorityKeyError from None
    if len(key) != KEY_BYTES:
        raise AuthorityKeyError
    return key


def read_bundles(files: Sequence[Path]) -> list[bundle.Bundle]:
    """The bundles that files hold.

    Raises:
        BundleFileError: a file cannot be read.
        MalformedBundleError: a file holds something else.
    """
    contents = []
    for file in files:
        try:
            if file.stat().st_size > bundle.LARGEST_BUNDLE:
                raise BundleFileError(file=str(file), reason=Text(msgid("it is larger than any bundle")))
            contents.append(file.read_bytes())
        except OSError as error:
            raise BundleFileError(file=str(file), reason=str(error.strerror)) from error
    return [bundle.read(content) for content in contents]


def member_keys(text: str, key: bytes, now: datetime) -> Mapping[str, bytes]:
    """The keys that a members list names, if the authority signed it, not in the future; the authority's own is one.

    An expired list still says who signed what while it was valid: an old bundle can be audited for ever.

    Raises:
        MembersListError: it is not signed by the authority, or it is dated in the future.
    """
    listed = read_members(text, key)
    if listed.issued > now + LEEWAY:
        raise MembersPrematureError(issued=listed.issued.isoformat())
    return {member.did: member.public_key for member in listed.members} | {listed.issuer: key}


def verify_files(files: Sequence[Path], key: str, language: str, now: datetime | None = None) -> JsonObject:
    """What an audit of these files finds, as JSON; see `ledger.audit.verify` for what it proves."""
    report = audit.verify(read_bundles(files), authority_key(key), now or datetime.now(UTC), member_keys)
    return told(report, language)


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
        "checks": [
            {
                "check": count.check,
                "outcome": count.outcome.value,
                "sentence": count.says.render(speak),
                "verified": count.verified,
                "failed": count.failed,
                "unverifiable": count.unverifiable,
            }
            for count in counts
        ],
        "findings": [_finding(finding, speak) for finding in report.findings],
    }


def _finding(finding: Finding, speak: Callable[[str], str]) -> JsonObject:
    return {
        "check": finding.check,
        "outcome": finding.outcome.value,
        "code": finding.code,
        "sentence": finding.text.render(speak),
        "log": finding.origin,
        "entry": finding.index,
    }


def lineage_of_files(files: Sequence[Path], language: str) -> JsonObject:
    """Where each model came from: `story`, indented sentences, and `prov`, W3C PROV-shaped JSON, one for each run.

    It repeats what the logs say; verify them first.
    """
    speak = speaker(language)
    logs = {read.origin: audit.readable(read) for read in read_bundles(files)}
    found = [run for _, run in lineage.runs(logs)]
    story = ["  " * branch.depth + branch.text.render(speak) for run in found for branch in lineage.tree(logs, run)]
    return {"story": story, "prov": {"runs": {run: lineage.prov(logs, run) for run in found}}}
