"""What an audit says: for each check, how much of it holds, what fails, what cannot be told, what is not over yet."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from medspace.core.text import Fact, Text, msgid


class AuditOutcome(StrEnum):
    """Verified: proven from what is signed. Failed: proven wrong. Unverifiable: what would prove it is not there.

    Open: it was still going on when the log was exported, so nobody can say yet. `WORST` has them from the worst to
    the best; only the last is good news.
    """

    VERIFIED = "verified"
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"
    OPEN = "open"


WORST = (AuditOutcome.FAILED, AuditOutcome.UNVERIFIABLE, AuditOutcome.OPEN, AuditOutcome.VERIFIED)

Premise: TypeAlias = tuple[bool, str, str]  # whether it holds, the code of what is the matter if not, and a sentence

NO_LOG = msgid("The log of {party} is not here, or not proven.")
NO_TASK = msgid("The task of the run {run} is not known here, so nothing can be computed again.")
TOO_SHORT = msgid("The log of {party} ends too early to say.")


def first_broken(premises: Iterable[Premise]) -> Premise | None:
    """The first premise that does not hold."""
    return next((premise for premise in premises if not premise[0]), None)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in the log of `origin`, at entry `index` where there is one.

    `code` is stable: the name of the check, and behind it what is the matter.
    """

    check: str
    outcome: AuditOutcome
    code: str
    text: Text
    origin: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a finding stands."""

    origin: str
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A kind of question that the audit asks; `says` is what is true when it is verified."""

    name: str
    says: str

    def verified(self, place: LogPosition) -> Finding:
        """It holds here."""
        return Finding(self.name, AuditOutcome.VERIFIED, self.name, Text(self.says), place.origin, place.index)

    def failed(self, place: LogPosition, matter: str, sentence: str, /, **facts: Fact | Text) -> Finding:
        """It is proven wrong here."""
        return self._finding(AuditOutcome.FAILED, place, matter, Text(sentence, facts))

    def unverifiable(self, place: LogPosition, matter: str, sentence: str, /, **facts: Fact | Text) -> Finding:
        """It can be neither proven nor refuted here."""
        return self._finding(AuditOutcome.UNVERIFIABLE, place, matter, Text(sentence, facts))

    def open(self, place: LogPosition, matter: str, sentence: str, /, **facts: Fact | Text) -> Finding:
        """It is not over yet here."""
        return self._finding(AuditOutcome.OPEN, place, matter, Text(sentence, facts))

    def _finding(self, outcome: AuditOutcome, place: LogPosition, matter: str, text: Text) -> Finding:
        return Finding(self.name, outcome, f"{self.name}.{matter}", text, place.origin, place.index)


MEMBERS = Check("log.members", msgid("Each members list is signed by the authority."))
SIGNATURE = Check("log.signature", msgid("Each checkpoint is signed by the member whose log it is."))
ROOT = Check("log.root", msgid("Each log has exactly the entries that its checkpoint signs."))
HISTORY = Check("log.history", msgid("Each log begins as every other checkpoint of it says."))
ENTRIES = Check("log.entries", msgid("Each entry has a known kind and the facts of its kind."))
TIME = Check("log.time", msgid("No log runs backwards in time, or into the future."))
MEMBERSHIP = Check("log.membership", msgid("Each entry was written while the signer of its log was a member."))
AGREEMENT = Check("agreement.same", msgid("Both parties of each agreement recorded the same text."))
TRANSFER = Check("transfer.same", msgid("Both parties of each use recorded the same agreement and kind of use."))
RELEASE = Check(
    "release.admitted",
    msgid("Each release was admitted before it left, under an agreement that was final and had not expired."),
)
ENDED = Check("use.ended", msgid("Each admitted question has one end: it was released, withheld or failed."))
QUESTION = Check("use.question", msgid("Each question that a holder shows is the one that its log noted."))
ANSWER = Check(
    "run.answer",
    msgid(
        "Each answer that a run used is a release that its site recorded for it, under an agreement of both sides."
    ),
)
MANIFEST = Check("run.manifest", msgid("Each run was shown to all of its sites by one manifest."))
ACCOUNT = Check("run.release", msgid("Each release to a training run is accounted for by the run."))
MASKED = Check(
    "run.masked",
    msgid("All sites of each masked run noted the same sites in each total, and the same openings of it."),
)
RECORD = Check("run.record", msgid("Each record that a holder shows is the one that its log noted, and all agree."))
FOLLOWED = Check("run.followed", msgid("Each question of a masked run followed from the total before it."))
SIGNED = Check("model.signed", msgid("Each model that is shown is what enough sites of its run signed."))
ROUNDS = Check("run.rounds", msgid("Each run has one start, rounds that count up from one, and one end."))
DELEGATED = Check(
    "run.delegated",
    msgid("Each run that was led for somebody else was delegated by its user, who got the model that was made."),
)
MODEL = Check(
    "run.model", msgid("Each finished run made its model from its last round, with sites that it began with.")
)
BUDGET = Check(
    "budget.kept",
    msgid(
        "Each entry on a privacy budget fits what stood then: the limits, the period, what was taken and not let out."
    ),
)
PAID = Check("budget.paid", msgid("Each answer with noise was paid for from a privacy budget before it left."))

CHECKS = (
    *(MEMBERS, SIGNATURE, ROOT, HISTORY, ENTRIES, TIME, MEMBERSHIP),
    *(AGREEMENT, TRANSFER, RELEASE, ENDED, QUESTION, MANIFEST, ANSWER, ACCOUNT, ROUNDS, DELEGATED, MODEL),
    *(MASKED, RECORD, FOLLOWED, SIGNED, BUDGET, PAID),
)


def worst(outcomes: Iterable[AuditOutcome]) -> AuditOutcome:
    """The worst of them; where there is none, nothing was shown."""
    found = set(outcomes)
    return next((outcome for outcome in WORST if outcome in found), AuditOutcome.UNVERIFIABLE)


@dataclass(frozen=True, slots=True)
class Count:
    """How often a check held, failed, could not be told, and was not over yet."""

    check: str
    says: Text
    verified: int
    failed: int
    unverifiable: int
    open: int

    @property
    def outcome(self) -> AuditOutcome:
        """The worst of them; what was never looked at is not verified."""
        tally = zip(AuditOutcome, (self.verified, self.failed, self.unverifiable, self.open), strict=True)
        return worst(outcome for outcome, count in tally if count)


@dataclass(frozen=True, slots=True)
class Shown:
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
    """A holder says in its log that somebody broke the protocol of a run; that is its word, and proves nothing."""

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
    findings: tuple[Finding, ...]
    logs: tuple[str, ...]
    entries: int
    questions: tuple[Shown, ...] = ()
    accusations: tuple[Accusation, ...] = ()
    budgets: tuple[BudgetSpent, ...] = ()

    @property
    def outcome(self) -> AuditOutcome:
        """The worst of all checks; without any log nothing is verified."""
        return worst(count.outcome for count in self.counts)

    def count(self, check: Check) -> Count:
        """How a check came out; zeros where there was nothing to ask it of."""
        return next((count for count in self.counts if count.check == check.name), _count(check, Counter()))


def summarise(
    findings: Iterable[Finding],
    logs: Iterable[str],
    entries: int,
    questions: Iterable[Shown] = (),
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


def _count(check: Check, tally: Counter[tuple[str, AuditOutcome]]) -> Count:
    verified, failed, unverifiable, still_open = (tally[check.name, outcome] for outcome in AuditOutcome)
    return Count(check.name, Text(check.says), verified, failed, unverifiable, still_open)
