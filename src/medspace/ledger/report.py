"""The result of an audit: for each check, what is verified, what fails, what is unverifiable, what is still open."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from medspace.core.text import Fact, Text, msgid


class AuditOutcome(StrEnum):
    """Verified: proven from what is signed. Failed: proven wrong. Unverifiable: the evidence is missing.

    Open: it was still in progress when the log was exported, so nobody can say yet. `WORST` has them from the worst
    to the best; only the last is good news.
    """

    VERIFIED = "verified"
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"
    OPEN = "open"


WORST = (AuditOutcome.FAILED, AuditOutcome.UNVERIFIABLE, AuditOutcome.OPEN, AuditOutcome.VERIFIED)

Premise: TypeAlias = tuple[bool, str, str]  # whether it holds; if not, the code of what is wrong; and a sentence

NO_LOG = msgid("The log of {party} is not here, or not proven.")
NO_TASK = msgid("The task of the run {run} is not known here, so nothing can be computed again.")
TOO_SHORT = msgid("The log of {party} ends too early to say.")


def first_broken(premises: Iterable[Premise]) -> Premise | None:
    """The first premise that does not hold."""
    return next((premise for premise in premises if not premise[0]), None)


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that was looked at, in the log of `origin`, at entry `index` where there is one.

    `code` is stable: the name of the check, followed by what is wrong.
    """

    check: str
    outcome: AuditOutcome
    code: str
    text: Text
    origin: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a finding is."""

    origin: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """A check that the audit makes; `says` is what is true when it is verified."""

    name: str
    says: str

    def verified(self, place: LogPosition) -> AuditFinding:
        """It holds here."""
        return AuditFinding(self.name, AuditOutcome.VERIFIED, self.name, Text(self.says), place.origin, place.index)

    def failed(self, place: LogPosition, matter: str, sentence: str, /, **facts: Fact | Text) -> AuditFinding:
        """It is proven wrong here."""
        return self._finding(AuditOutcome.FAILED, place, matter, Text(sentence, facts))

    def unverifiable(self, place: LogPosition, matter: str, sentence: str, /, **facts: Fact | Text) -> AuditFinding:
        """It can be neither proven nor refuted here."""
        return self._finding(AuditOutcome.UNVERIFIABLE, place, matter, Text(sentence, facts))

    def open(self, place: LogPosition, matter: str, sentence: str, /, **facts: Fact | Text) -> AuditFinding:
        """It is not over yet here."""
        return self._finding(AuditOutcome.OPEN, place, matter, Text(sentence, facts))

    def _finding(self, outcome: AuditOutcome, place: LogPosition, matter: str, text: Text) -> AuditFinding:
        return AuditFinding(self.name, outcome, f"{self.name}.{matter}", text, place.origin, place.index)


MEMBERS = AuditCheck("log.members", msgid("Each members list is signed by the authority."))
SIGNATURE = AuditCheck("log.signature", msgid("Each checkpoint is signed by the member whose log it is."))
ROOT = AuditCheck("log.root", msgid("Each log has exactly the entries that its checkpoint signs."))
INCLUDED = AuditCheck(
    "log.included", msgid("Each entry that is shown by itself is in the log that its checkpoint signs.")
)
HISTORY = AuditCheck("log.history", msgid("Each log begins as every other checkpoint of it says."))
ENTRIES = AuditCheck("log.entries", msgid("Each entry has a known kind and the facts of its kind."))
TIME = AuditCheck("log.time", msgid("No log goes back in time or into the future."))
MEMBERSHIP = AuditCheck("log.membership", msgid("Each entry was written while the signer of its log was a member."))
AGREEMENT = AuditCheck("agreement.same", msgid("Both parties of each agreement recorded the same text."))
TRANSFER = AuditCheck("transfer.same", msgid("Both parties of each use recorded the same agreement and kind of use."))
RELEASE = AuditCheck(
    "release.admitted",
    msgid("Each release was admitted before it left, under an agreement that was final and had not expired."),
)
GOES_ON = AuditCheck(
    "use.agreed", msgid("No question was admitted under an agreement that its holder had ended before.")
)
ENDED = AuditCheck("use.ended", msgid("Each admitted question has one end: it was released, withheld or failed."))
QUESTION = AuditCheck("use.question", msgid("Each question that a holder shows is the one that its log noted."))
ANSWER = AuditCheck(
    "run.answer",
    msgid(
        "Each answer that a run used is a release that its site recorded for it, under an agreement of both sides."
    ),
)
MANIFEST = AuditCheck("run.manifest", msgid("Each run was shown to all of its sites by one manifest."))
ACCOUNT = AuditCheck("run.release", msgid("Each release to a training run is accounted for by the run."))
MASKED = AuditCheck(
    "run.masked",
    msgid("All sites of each masked run noted the same sites in each total, and the same openings of it."),
)
RECORD = AuditCheck(
    "run.record", msgid("Each record that a holder shows is the one that its log noted, and all agree.")
)
FOLLOWED = AuditCheck("run.followed", msgid("Each question of a masked run followed from the total before it."))
SIGNED = AuditCheck("model.signed", msgid("Each model that is shown is what enough sites of its run signed."))
ROUNDS = AuditCheck("run.rounds", msgid("Each run has one start, rounds that count up from one, and one end."))
DELEGATED = AuditCheck(
    "run.delegated",
    msgid("Each run that was led for somebody else was delegated by its user, who got the model that was made."),
)
MODEL = AuditCheck(
    "run.model", msgid("Each finished run made its model from its last round, with sites that it began with.")
)
BUDGET = AuditCheck(
    "budget.kept",
    msgid(
        "Each entry on a privacy budget is consistent with the budget at that time: its limits, its period, what "
        "was debited and not released."
    ),
)
PAID = AuditCheck("budget.paid", msgid("Each answer with noise was paid for from a privacy budget before it left."))

CHECKS = (
    *(MEMBERS, SIGNATURE, ROOT, INCLUDED, HISTORY, ENTRIES, TIME, MEMBERSHIP),
    *(AGREEMENT, TRANSFER, RELEASE, GOES_ON, ENDED, QUESTION, MANIFEST, ANSWER, ACCOUNT, ROUNDS, DELEGATED, MODEL),
    *(MASKED, RECORD, FOLLOWED, SIGNED, BUDGET, PAID),
)


def worst(outcomes: Iterable[AuditOutcome]) -> AuditOutcome:
    """The worst of them; if there is none, nothing was shown."""
    found = set(outcomes)
    return next((outcome for outcome in WORST if outcome in found), AuditOutcome.UNVERIFIABLE)


@dataclass(frozen=True, slots=True)
class Count:
    """How often a check was verified, failed, was unverifiable, or was still open."""

    check: str
    says: Text
    verified: int
    failed: int
    unverifiable: int
    open: int

    @property
    def outcome(self) -> AuditOutcome:
        """The worst of them; what was never checked is not verified."""
        tally = zip(AuditOutcome, (self.verified, self.failed, self.unverifiable, self.open), strict=True)
        return worst(outcome for outcome, count in tally if count)


@dataclass(frozen=True, slots=True)
class ShownCount:
    """Of the questions that a holder admitted, how many it showed: those that it did not show are not wrong."""

    holder: str
    admitted: int
    shown: int

    @property
    def not_shown(self) -> int:
        """The questions that only the holder knows."""
        return self.admitted - self.shown


@dataclass(frozen=True, slots=True)
class Accusation:
    """A holder says in its log that somebody broke the protocol of a run; this claim proves nothing."""

    origin: str  # who says it
    named: str  # of whom, by DID
    code: str  # what it was
    run: str  # "" where the log does not say
    index: int


@dataclass(frozen=True, slots=True)
class PeriodSpent:
    """What a dataset has given in one period of its privacy budget, as the log adds up.

    `limit`, `taken` and `refunded` are rho of zCDP in units of 2^-40; `taken` is what is left of the debits once what
    came back in the period is subtracted. `vouched` is the time that the authority had signed when the period began,
    "" where only the holder says so, None for the first one.
    """

    since: str
    until: str
    epsilon: str  # the limit as people see it, at `delta`
    delta: str
    unit: str
    limit: int | None
    taken: int
    refunded: int
    debits: int
    vouched: str | None


@dataclass(frozen=True, slots=True)
class AgreementSpent:
    """What one agreement has taken of a privacy budget in all its time, in rho of 2^-40."""

    agreement: str
    taken: int


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """What one dataset of a holder has given of its privacy budget, by its log."""

    origin: str
    asset: str
    periods: tuple[PeriodSpent, ...]  # the oldest first
    agreements: tuple[AgreementSpent, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit: `counts` of every check that was asked, `findings` of what does not hold.

    `logs` are the origins whose log was proven; `entries` how many entries those logs have together; `questions`
    what the holders among them showed of the questions that they admitted; `accusations` whom they accuse; `budgets`
    what their datasets have given of privacy budgets.
    """

    counts: tuple[Count, ...]
    findings: tuple[AuditFinding, ...]
    logs: tuple[str, ...]
    entries: int
    questions: tuple[ShownCount, ...] = ()
    accusations: tuple[Accusation, ...] = ()
    budgets: tuple[BudgetSpent, ...] = ()

    @property
    def outcome(self) -> AuditOutcome:
        """The worst of all checks; without any log nothing is verified."""
        return worst(count.outcome for count in self.counts)

    def count(self, check: AuditCheck) -> Count:
        """The counts of a check; zeros if there was nothing to check."""
        return next((count for count in self.counts if count.check == check.name), _count(check, Counter()))


def summarise(
    findings: Iterable[AuditFinding],
    logs: Iterable[str],
    entries: int,
    questions: Iterable[ShownCount] = (),
    accusations: Iterable[Accusation] = (),
    budgets: Iterable[BudgetSpent] = (),
) -> Report:
    """Count the findings; those that hold are only counted."""
    tally: Counter[tuple[str, AuditOutcome]] = Counter()
    kept = []
    for finding in findings:
        tally[finding.check, finding.outcome] += 1
        if finding.outcome is not AuditOutcome.VERIFIED:
            kept.append(finding)
    looked_at = {check for check, _ in tally}
    asked = tuple(_count(check, tally) for check in CHECKS if check.name in looked_at)
    beside = tuple(questions), tuple(accusations), tuple(budgets)
    return Report(asked, tuple(kept), tuple(sorted(logs)), entries, *beside)


def _count(check: AuditCheck, tally: Counter[tuple[str, AuditOutcome]]) -> Count:
    verified, failed, unverifiable, still_open = (tally[check.name, outcome] for outcome in AuditOutcome)
    return Count(check.name, Text(check.says), verified, failed, unverifiable, still_open)
