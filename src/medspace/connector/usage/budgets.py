"""Whether a use is within its privacy budget: pure decisions. The arithmetic is in `privacy.noise.budget`."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from medspace.connector.usage.model import BudgetLimits, Debit, PrivacyAccount
from medspace.core.clock import instant
from medspace.core.decision import Decision, Premise, Verdict, combine
from medspace.core.engine import Cost
from medspace.core.text import Fact, Text, msgid
from medspace.policy.budgets import EVENT, UNITS, NoiseTerms
from medspace.privacy.noise.accounting import rho_of
from medspace.privacy.noise.budget import Allowed, Taken, decide


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The facts that decide on a budget: the asset's account, the contract's terms, what the agreement has taken."""

    account: PrivacyAccount | None
    terms: NoiseTerms | None
    agreement: int
    agreed: str  # when the agreement was concluded
    now: datetime


def exact_answers(account: PrivacyAccount | None, terms: NoiseTerms | None) -> Decision:
    """Whether a task without noise may be answered."""
    bounded = account is not None and account.limits is not None and not account.limits.exact
    return _one("budget.exact", ok=terms is None and not bounded)


def noisy_answers(stand: BudgetState, cost: Cost) -> Decision:
    """Whether a use without a debit may take its whole cost."""
    account = stand.account
    limits = None if account is None else account.limits
    if account is None or limits is None:
        return _one("budget.none", ok=False)
    return combine(
        unfrozen(account),
        _one("budget.restored", ok=stand.agreed > account.restored_at),
        _one("budget.period", ok=stand.now < instant(account.until), until=account.until),
        _one("budget.unit", ok=cost.unit != EVENT or _events(limits, stand.terms), unit=UNITS[cost.unit]),
        decide(_allowed(limits, stand.terms), Taken(account.taken, stand.agreement), cost.total),
    )


def one_more(account: PrivacyAccount | None, debit: Debit, failed: int) -> Decision:
    """Whether a use with a debit may ask one more question; `failed` are the questions that failed."""
    most = len(debit.rho)
    rounds = _one("budget.rounds", ok=debit.asked - failed < most, most=most)
    return rounds if account is None else combine(unfrozen(account), rounds)


def unfrozen(account: PrivacyAccount) -> Decision:
    """Whether an account may be spent from."""
    return _one("budget.frozen", ok=not account.frozen)


def _events(limits: BudgetLimits, terms: NoiseTerms | None) -> bool:
    """Whether noise that protects single rows is sufficient: both the holder and the contract must say so."""
    return limits.unit == EVENT and terms is not None and terms.unit == EVENT


def _allowed(limits: BudgetLimits, terms: NoiseTerms | None) -> Allowed:
    """The stricter of configuration and contract."""
    agreed = _rho(terms.epsilon, terms.delta) if terms and terms.epsilon else limits.agreement
    task = _rho(terms.per_task, terms.delta) if terms and terms.per_task else limits.task
    return Allowed(limits.year, min(agreed, limits.agreement), min(task, limits.task), limits.delta)


@lru_cache(maxsize=256)
def _rho(epsilon: str, delta: str) -> int:
    return rho_of(float(epsilon), float(delta))


# --- in words ------------------------------------------------------------------------------------------------------
# By code: what is required, what is the case where it fails, and what would change it.
_WORDS = {
    "budget.none": (
        msgid("a privacy budget of the dataset, for answers with noise"),
        msgid("its holder has set none"),
        msgid("Ask the holder to set a privacy budget (`budget` of the dataset), or ask without noise."),
    ),
    "budget.exact": (
        msgid("answers with noise"),
        msgid("the task asks for exact ones"),
        msgid("State a privacy budget in the task, so that its answers carry noise."),
    ),
    "budget.frozen": (
        msgid("a privacy budget whose account is complete"),
        msgid("a backup of the holder's database was restored, so all of it counts as spent"),
        msgid("Wait until the holder begins a new period (`medspace budget renew`), once this one has ended."),
    ),
    "budget.restored": (
        msgid("an agreement that was made after the last backup was restored"),
        msgid("nobody knows how much this one has taken"),
        msgid("Negotiate a new agreement."),
    ),
    "budget.period": (
        msgid("a period of the privacy budget that has not ended"),
        msgid("it ended at {until}"),
        msgid("Ask the holder to begin a new one: `medspace budget renew`."),
    ),
    "budget.unit": (
        msgid("noise that protects all rows of a patient together"),
        msgid("the noise of the task protects {unit}"),
        msgid("State the unit `patient` in the task, or ask for terms that name the other one."),
    ),
    "budget.rounds": (
        msgid("at most {most} questions to the rows, as the use has paid for"),
        msgid("as many were put"),
        msgid("Begin a new use."),
    ),
}
CODES = frozenset(_WORDS)


def _one(code: str, *, ok: bool, **facts: Fact | Text) -> Decision:
    asked, held, remedy = (Text(sentence, facts) for sentence in _WORDS[code])
    if ok:
        return Decision(Verdict.PERMIT, "permitted")
    return Decision(Verdict.DENY, code, (Premise(code, asked, held, satisfied=False, remedy=remedy),))
