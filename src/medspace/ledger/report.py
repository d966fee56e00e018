"""What an audit says: for each check, how much of it holds, what fails, and what cannot be told."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from medspace.core.text import Fact, Text, msgid


class Outcome(StrEnum):
    """Verified: proven from what is signed. Failed: proven wrong. Unverifiable: what would prove it is not there."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in the log of `origin`, at entry `index` where there is one.

    `code` is stable: the name of the check, and behind it what is the matter.
    """

    check: str
    outcome: Outcome
    code: str
    text: Text
    origin: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding stands."""

    origin: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A kind of question that the audit asks; `says` is what is true when it is verified."""

    name: str
    says: str

    def verified(self, place: Place) -> Finding:
        """It holds here."""
        return Finding(self.name, Outcome.VERIFIED, self.name, Text(self.says), place.origin, place.index)

    def failed(self, place: Place, matter: str, sentence: str, /, **facts: Fact | Text) -> Finding:
        """It is proven wrong here."""
        return self._finding(Outcome.FAILED, place, matter, Text(sentence, facts))

    def unverifiable(self, place: Place, matter: str, sentence: str, /, **facts: Fact | Text) -> Finding:
        """It can be neither proven nor refuted here."""
        return self._finding(Outcome.UNVERIFIABLE, place, matter, Text(sentence, facts))

    def _finding(self, outcome: Outcome, place: Place, matter: str, text: Text) -> Finding:
        return Finding(self.name, outcome, f"{self.name}.{matter}", text, place.origin, place.index)


MEMBERS = Check("log.members", msgid("Each members list is signed by the authority."))
SIGNATURE = Check("log.signature", msgid("Each checkpoint is signed by the member whose log it is."))
ROOT = Check("log.root", msgid("Each log has exactly the entries that its checkpoint signs."))
HISTORY = Check("log.history", msgid("Each log begins as every other checkpoint of it says."))
ENTRIES = Check("log.entries", msgid("Each entry has a known kind and the facts of its kind."))
TIME = Check("log.time", msgid("No log runs backwards in time, or into the future."))
AGREEMENT = Check("agreement.same", msgid("Both parties of each agreement recorded the same text."))
RELEASE = Check(
    "release.admitted",
    msgid("Each release was admitted before it left, under an agreement that was final and had not expired."),
)
ANSWER = Check(
    "run.answer",
    msgid(
        "Each answer that a run used is a release that its site recorded for it, under an agreement of both sides."
    ),
)
ACCOUNT = Check("run.release", msgid("Each release to a training run is accounted for by the run."))
MODEL = Check(
    "run.model", msgid("Each finished run made its model from its last round, with sites that it began with.")
)

CHECKS = (MEMBERS, SIGNATURE, ROOT, HISTORY, ENTRIES, TIME, AGREEMENT, RELEASE, ANSWER, ACCOUNT, MODEL)


@dataclass(frozen=True, slots=True)
class Count:
    """How often a check held, failed, and could not be told."""

    check: str
    says: Text
    verified: int
    failed: int
    unverifiable: int

    @property
    def outcome(self) -> Outcome:
        """The worst of them; what was never looked at is not verified."""
        if self.failed:
            return Outcome.FAILED
        return Outcome.UNVERIFIABLE if self.unverifiable or not self.verified else Outcome.VERIFIED


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit: `counts` of every check that was asked, `findings` of what does not hold.

    `logs` are the origins whose log was proven; `entries` how many entries those logs have together.
    """

    counts: tuple[Count, ...]
    findings: tuple[Finding, ...]
    logs: tuple[str, ...]
    entries: int

    @property
    def outcome(self) -> Outcome:
        """The worst of all checks; without any log nothing is verified."""
        outcomes = {count.outcome for count in self.counts}
        if Outcome.FAILED in outcomes:
            return Outcome.FAILED
        return Outcome.VERIFIED if outcomes == {Outcome.VERIFIED} else Outcome.UNVERIFIABLE

    def count(self, check: Check) -> Count:
        """How a check came out; zeros where there was nothing to ask it of."""
        return next((count for count in self.counts if count.check == check.name), _count(check, Counter()))


def summarise(findings: Iterable[Finding], logs: Iterable[str], entries: int) -> Report:
    """Count the findings; those that hold are only counted."""
    tally: Counter[tuple[str, Outcome]] = Counter()
    kept = []
    for finding in findings:
        tally[finding.check, finding.outcome] += 1
        if finding.outcome is not Outcome.VERIFIED:
            kept.append(finding)
    counts = (_count(check, tally) for check in CHECKS)
    asked = tuple(count for count in counts if count.verified or count.failed or count.unverifiable)
    return Report(asked, tuple(kept), tuple(sorted(logs)), entries)


def _count(check: Check, tally: Counter[tuple[str, Outcome]]) -> Count:
    verified, failed, unverifiable = (tally[check.name, outcome] for outcome in Outcome)
    return Count(check.name, Text(check.says), verified, failed, unverifiable)
