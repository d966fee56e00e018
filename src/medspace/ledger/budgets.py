"""What a holder's log says about privacy budgets, added up again: nothing was given beyond the limits of the time.

Amounts are rho of zCDP in units of 2^-40, as text: they are integers, so that the sum here is the one of the account.
A holder that lies in every entry is not detected; one that changes an account outside its log is, by the next debit,
which states the account's balance. Entries of versions that stated less are checked for what they state.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from medspace.core.canonical import Json, JsonObject
from medspace.core.text import Fact, msgid
from medspace.ledger.membership import Signed
from medspace.ledger.report import (
    BUDGET,
    PAID,
    AgreementSpent,
    AuditFinding,
    BudgetSpent,
    LogPosition,
    PeriodSpent,
    Premise,
    first_broken,
)
from medspace.ledger.statements import SKEW, LogLine, Statements, later

Logs = Mapping[str, Statements]
YEAR = timedelta(days=365)  # a period is not shorter
LONGEST = 30  # digits of an amount
_OVER = ("transfer.completed", "transfer.terminated")


def books(logs: Logs, signed: Signed) -> list["Book"]:
    """The accounts of each log; `signed` is when the authority signed members lists."""
    return [Book(log, signed) for log in logs.values()]


def check(kept: Sequence["Book"]) -> Iterator[AuditFinding]:
    """Check every entry on a budget against the state before it, and every noisy answer against its debit."""
    noisy: dict[tuple[str, str], str] = {}
    for book in kept:
        for line in book.log.admissions.values():
            if "rho" in line.facts:
                noisy.setdefault(_task_and_step(line), book.log.origin)
    for book in kept:
        yield from book.findings
        yield from _paid(book.log, book.debits, noisy)


def count(book: "Book") -> tuple[BudgetSpent, ...]:
    """What each dataset has given, period by period and agreement by agreement, by the entries alone."""
    return tuple(
        BudgetSpent(
            book.log.origin,
            asset,
            tuple(period.spent() for period in account.periods),
            tuple(AgreementSpent(*one) for one in sorted(book.agreements[asset].items())),
        )
        for asset, account in sorted(book.accounts.items())
    )


@dataclass(slots=True)
class _Period:
    since: str
    until: str
    limits: JsonObject  # of the entry that set them last
    vouched: str | None  # when it was begun: None, as the first one
    taken: int = 0
    refunded: int = 0
    debits: int = 0

    def spent(self) -> PeriodSpent:
        epsilon, delta, unit = (str(self.limits[name]) for name in ("epsilon", "delta", "unit"))
        limit = _amount(self.limits["rho"])
        given = self.taken, self.refunded, self.debits
        return PeriodSpent(self.since, self.until, epsilon, delta, unit, limit, *given, self.vouched)


@dataclass(slots=True)
class _Account:
    periods: list[_Period]
    limits: JsonObject | None
    frozen: int = -1  # the entry by which it counts as spent; -1 for none
    restored: int = -1  # the last such entry ever

    @property
    def period(self) -> _Period:
        return self.periods[-1]


@dataclass(frozen=True, slots=True)
class _Debit:
    line: LogLine
    rho: int
    period: _Period


@dataclass(frozen=True, slots=True)
class _Left:
    index: int
    step: str


@dataclass(slots=True)
class Book:
    """The accounts of one log, as its entries make them up."""

    log: Statements
    signed: Signed
    accounts: dict[str, _Account] = field(default_factory=dict)
    agreements: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    debits: dict[str, _Debit] = field(default_factory=dict)  # by transfer
    refunded: set[str] = field(default_factory=set)
    left: dict[str, list[_Left]] = field(default_factory=lambda: defaultdict(list))  # by transfer
    findings: list[AuditFinding] = field(default_factory=list)

    def __post_init__(self) -> None:
        for release in self.log.releases.values():
            admission = self.log.admissions.get(release.facts["admission"])
            if admission is not None:
                self.left[admission.facts["transfer"]].append(_Left(release.index, admission.facts["step"]))
        for line in self.log.budgets:
            self.findings.append(self._finding(line))

    def _finding(self, line: LogLine) -> AuditFinding:
        place, asset = LogPosition(self.log.origin, line.index), line.facts["asset"]
        broken = first_broken(_READERS[line.entry.kind](self, line))
        facts: dict[str, Fact] = {"asset": asset}
        if broken:
            return BUDGET.failed(place, broken[1], broken[2], **facts)
        vouched = line.facts.get("vouched")
        if vouched is not None and not self.signed.at(vouched):
            return BUDGET.unverifiable(place, "unsigned", _UNSIGNED, **facts, time=vouched)
        return BUDGET.verified(place)

    # -- what is taken

    def debited(self, line: LogLine) -> list[Premise]:
        """Within the state at that time: the limits, the period, what was taken before."""
        facts, account = line.facts, self.accounts.get(line.facts["asset"])
        rho = _amount(facts["rho"])
        if rho is None:
            return [_MALFORMED]
        if account is None or account.limits is None:
            return [(False, "none", msgid("The budget of {asset} was debited while none was set."))]
        period, limits = account.period, account.limits
        before, agreed = period.taken, self.agreements[facts["asset"]][facts["agreement"]]
        premises = [
            _once(known=facts["transfer"] in self.debits),
            (account.frozen < 0, "frozen", msgid("The budget of {asset} was debited while it counted as spent.")),
            (
                line.time < period.until,
                "ended",
                msgid("The budget of {asset} was debited after its period had ended."),
            ),
            (_says(facts, "since", period.since), "other_period", _OTHER_PERIOD),
            (_says(facts, "limit", limits["rho"]), "other_limit", _OTHER_LIMIT),
            (_adds_up(facts, rho), *_MALFORMED[1:]),
            (before + rho <= _most(limits, "rho"), "year", _BEYOND_YEAR),
            (agreed + rho <= _most(limits, "agreement_rho"), "agreement", _BEYOND_AGREEMENT),
            (rho <= _most(limits, "task_rho"), "task", _BEYOND_TASK),
            (_says(facts, "taken", str(before + rho)), "other_total", _OTHER_TOTAL),
        ]
        self.debits.setdefault(facts["transfer"], _Debit(line, rho, period))
        period.taken, period.debits = before + rho, period.debits + 1
        self.agreements[facts["asset"]][facts["agreement"]] = agreed + rho
        return premises

    def gave_back(self, line: LogLine) -> list[Premise]:
        """For a use that has ended, once, and no more than it did not release; a repeated refund returns nothing.

        Only the first refund of a use looks at its releases: so all of them together cost what the log is long.
        """
        facts, back = line.facts, _amount(line.facts["rho"])
        if facts["transfer"] in self.refunded:
            return [(False, "refunded_twice", _REFUNDED_TWICE)]
        if back is None:
            return [_MALFORMED]
        debit = self.debits.get(facts["transfer"])
        if debit is None:
            return [(False, "no_debit", msgid("The budget of {asset} was refunded for what was never debited."))]
        self.refunded.add(facts["transfer"])
        premises = [
            (_same(facts, debit.line.facts), "other_use", _OTHER_USE),
            (
                self._over(line),
                "not_over",
                msgid("The budget of {asset} was refunded for a use before that use ended."),
            ),
            (back <= self._most_back(debit, line), "let_out", _LET_OUT),
        ]
        account = self.accounts[debit.line.facts["asset"]]
        debit.period.refunded += back
        if debit.period is account.period:  # what was taken in an earlier period lapsed with it
            debit.period.taken -= back
        self.agreements[debit.line.facts["asset"]][debit.line.facts["agreement"]] -= back
        return premises

    def _over(self, line: LogLine) -> bool:
        transfer = self.log.transfers.get(line.facts["transfer"])
        ends = (one for one in transfer.lines if one.entry.kind in _OVER) if transfer else ()
        return any(one.index < line.index for one in ends)

    def _most_back(self, debit: _Debit, line: LogLine) -> int:
        """What was not released, assuming that the costliest totals were; nothing where this is unknown."""
        facts = debit.line.facts
        if self.accounts[facts["asset"]].restored > debit.line.index:
            return 0
        if "each" not in facts:
            return debit.rho
        each = sorted((_amount(one) or 0 for one in facts["each"]), reverse=True)
        opens = frozenset(facts.get("opens", ()))
        left = (one for one in self.left[facts["transfer"]] if debit.line.index < one.index < line.index)
        return sum(each[sum(one.step in opens or not opens for one in left) :])

    # -- what the holder sets

    def set_(self, line: LogLine) -> list[Premise]:
        """A limit: in the period that runs, or with the first one."""
        facts = line.facts
        account = self.accounts.get(facts["asset"])
        if any(_amount(facts[name]) is None for name in _RHO if name in facts):
            return [_MALFORMED]
        if account is None:
            first = _Period(facts["since"], facts["until"], facts, None)
            self.accounts[facts["asset"]] = _Account([first], facts)
            return [_long_enough(facts)]
        same = (facts["since"], facts["until"]) == (account.period.since, account.period.until)
        account.limits = account.period.limits = facts
        return [(same, "other_period", _OTHER_PERIOD)]

    def dropped(self, line: LogLine) -> list[Premise]:
        """No limit any more, so nothing to take."""
        account = self.accounts.get(line.facts["asset"])
        if account is not None:
            account.limits = None
        return [_known(account)]

    def renewed(self, line: LogLine) -> list[Premise]:
        """A new period: after the end of the one before, also by the time that vouches for it, and as long."""
        account, facts = self.accounts.get(line.facts["asset"]), line.facts
        if account is None:
            return [_known(account)]
        until = account.period.until
        early = min(line.time, facts["since"]) < until
        vouched = facts.get("vouched", until)
        account.periods.append(
            _Period(facts["since"], facts["until"], account.period.limits, str(facts.get("vouched", "")))
        )
        account.frozen = -1
        return [
            (not early, "early", _EARLY),
            (until <= vouched, "vouched_early", _VOUCHED_EARLY),
            ("vouched" not in facts or vouched <= later(line.time, SKEW), "vouched_ahead", _VOUCHED_AHEAD),
            _long_enough(facts),
        ]

    def froze(self, line: LogLine) -> list[Premise]:
        """All of it counts as spent."""
        account = self.accounts.get(line.facts["asset"])
        if account is not None:
            account.frozen = account.restored = line.index
        return [_known(account)]


@dataclass(slots=True)
class _Given:
    """The answers that left, each once: `known` by asset and digest, `counts` by transfer."""

    known: set[tuple[str, str]] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, transfer: str, said: tuple[str, str]) -> bool:
        """Whether it is a new one."""
        new = said not in self.known
        self.known.add(said)
        self.counts[transfer] += new
        return new


def _paid(
    log: Statements, debits: Mapping[str, _Debit], noisy: Mapping[tuple[str, str], str]
) -> Iterator[AuditFinding]:
    """Each noisy answer: its use had a debit before it left, for as many answers; or it was given before.

    An answer's own admission says that it carries noise. Where only another admission says so of the same question,
    either may be false: that proves nothing, and is ignored where the admission itself says so.
    """
    named, every = _Given(), _Given()
    for release in log.releases.values():
        admission = log.admissions.get(release.facts["admission"])
        if admission is None or ("rho" not in admission.facts and _task_and_step(admission) not in noisy):
            continue
        said, transfer = (admission.facts["asset"], release.facts["digest"]), admission.facts["transfer"]
        new, given = every.add(transfer, said), every
        if "rho" in admission.facts:
            new, given = named.add(transfer, said), named
        premises = _of_debit(release, admission, debits.get(transfer), given.counts[transfer]) if new else ()
        yield _payment(LogPosition(log.origin, release.index), admission, first_broken(premises), noisy)


def _payment(
    place: LogPosition, admission: LogLine, broken: Premise | None, noisy: Mapping[tuple[str, str], str]
) -> AuditFinding:
    asset = admission.facts["asset"]
    if broken is None:
        return PAID.verified(place)
    if "rho" not in admission.facts:
        return PAID.unverifiable(
            place, "named_noisy", _NAMED_NOISY, asset=asset, party=noisy[_task_and_step(admission)]
        )
    return PAID.failed(place, broken[1], broken[2], asset=asset)


def _of_debit(release: LogLine, admission: LogLine, debit: _Debit | None, given: int) -> list[Premise]:
    if debit is None or debit.line.index > release.index:
        return [(False, "missing", _MISSING)]
    facts, paid = admission.facts, debit.line.facts
    return [
        (_same(facts, paid) and facts["task"] == paid["task"], "other_use", _OTHER_USE),
        (given <= paid["rounds"], "rounds", _ROUNDS),
    ]


def _task_and_step(admission: LogLine) -> tuple[str, str]:
    return admission.facts["task"], admission.facts["step"]


def _same(facts: JsonObject, others: JsonObject) -> bool:
    return all(facts[name] == others[name] for name in ("asset", "agreement"))


def _says(facts: JsonObject, name: str, wanted: Json) -> bool:
    """Whether a fact says so, if present: earlier versions had none."""
    return bool(facts.get(name, wanted) == wanted)


def _amount(said: Json) -> int | None:
    if not isinstance(said, str) or not (said.isascii() and said.isdigit() and len(said) <= LONGEST):
        return None
    return int(said)


def _most(limits: JsonObject, name: str) -> float:
    most = _amount(limits.get(name))
    return float("inf") if most is None else most


def _adds_up(facts: JsonObject, rho: int) -> bool:
    each: Iterable[Json] = facts.get("each", ())
    amounts = [_amount(one) for one in each]
    if "each" not in facts:
        return True
    known = [one for one in amounts if one is not None]
    return len(known) == len(amounts) == facts["rounds"] and sum(known) == rho


def _once(*, known: bool) -> Premise:
    return not known, "twice", msgid("One use has debited the budget of {asset} twice.")


def _known(account: _Account | None) -> Premise:
    return account is not None, "unset", msgid("The entry is about a budget of {asset} that was never set.")


def _long_enough(facts: JsonObject) -> Premise:
    long = later(facts["since"], YEAR) <= facts["until"]
    return long, "short", msgid("A period of the budget of {asset} is shorter than a year.")


_RHO = ("rho", "agreement_rho", "task_rho")
_MALFORMED: Premise = (
    False,
    "amount",
    msgid("An entry on the budget of {asset} has an amount that does not add up."),
)
_OTHER_PERIOD = msgid("The period of the budget of {asset} changed, and no entry says that a new one began.")
_OTHER_LIMIT = msgid("The limit of the budget of {asset} changed, and no entry says so.")
_BEYOND_YEAR = msgid("The budget of {asset} was debited beyond what it had left for the year.")
_BEYOND_AGREEMENT = msgid("The budget of {asset} was debited beyond what one agreement may take.")
_BEYOND_TASK = msgid("The budget of {asset} was debited beyond what one task may take.")
_OTHER_TOTAL = msgid("The account of {asset} does not hold what the entries of the log add up to.")
_OTHER_USE = msgid("The debit of the budget of {asset} names another dataset, agreement or task than its use.")
_LET_OUT = msgid("The budget of {asset} was refunded for what had been released.")
_EARLY = msgid("A new period of the budget of {asset} began before the one before had ended.")
_VOUCHED_EARLY = msgid("The time that vouches for a new period of {asset} lies before the end of the one before.")
_VOUCHED_AHEAD = msgid("The time that vouches for a new period of {asset} is later than its entry.")
_UNSIGNED = msgid(
    "The new period of {asset} began on the word of the authority at {time}, and neither a members list of that time "
    "nor a log of the authority that notes one is here."
)
_REFUNDED_TWICE = msgid("The budget of {asset} was refunded twice for one use.")
_NAMED_NOISY = msgid(
    "No debit pays for an answer of {asset} that its holder says carries no noise; {party} names noise for the same "
    "question, and one of the two is wrong."
)
_MISSING = msgid("A noisy answer of {asset} was released, and no debit of its budget paid for it.")
_ROUNDS = msgid("More noisy answers of {asset} were released than the debit of their use had paid for.")
_READERS = {
    "budget.set": Book.set_,
    "budget.dropped": Book.dropped,
    "budget.debited": Book.debited,
    "budget.refunded": Book.gave_back,
    "budget.renewed": Book.renewed,
    "budget.frozen": Book.froze,
}
