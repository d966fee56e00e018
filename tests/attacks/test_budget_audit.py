"""Members who write into their own logs what should spoil the audit of privacy budgets, or silence it.

Each attack has its control: with the one brake off, it gets what it wants.
"""

import asyncio
from datetime import timedelta

import pytest

from medspace.core.clock import stamp
from medspace.ledger import kinds
from medspace.ledger.kinds import FactType
from medspace.ledger.membership import Signed
from medspace.ledger.model import Entry
from medspace.ledger.report import ENTRIES, PAID, AuditCheck, AuditOutcome
from tests.unit.ledger.budget_story import Accounts, audited, limits, read_of
from tests.unit.ledger.story import BEGIN, COMPANY, NORTH, SOUTH, honest, verify
from tests.unit.ledger.test_audit import signed


async def lived(vouched):
    """A hospital with exact answers beside a budget, which begins a new period by a time that it names."""
    house = Accounts()
    await house.set(limits())
    for use in ("urn:transfer:8", "urn:transfer:9"):
        await house.ask(use, step="exact")
    house.later(days=366)
    await house.renew(vouched)
    return await house.log()


RENEWED = stamp(BEGIN + timedelta(days=366))


@pytest.fixture(scope="module")
def log():
    return asyncio.run(lived(RENEWED))


def accused(log, by):
    """How many exact answers fail an audit, where somebody writes into its own log that their question was noisy."""
    said = next(entry for entry in log if entry.kind == "use.admitted")
    foreign = Entry("use.admitted", stamp(BEGIN), by, said.facts | {"rho": "1"})
    report = audited(log, others=[read_of(by, [foreign])])
    assert {one.origin for one in report.findings} == {NORTH}
    assert report.count(PAID).outcome is not AuditOutcome.VERIFIED  # it is never passed over in silence
    return report.count(PAID).failed


@pytest.mark.parametrize("by", [SOUTH, COMPANY])
def test_no_other_log_turns_exact_answers_into_unpaid_ones(log, by, monkeypatch, attack_report):
    got = accused(log, by)
    monkeypatch.setattr(AuditCheck, "unverifiable", AuditCheck.failed)
    control = accused(log, by)
    attack_report("budgets: exact answers failed by a foreign log", got=got, control=control, of=2, unit="answers")
    assert (got, control) == (0, 2)


def dated(time):
    """A bundle with a limit whose period has that date."""
    facts = {"asset": "heart", "epsilon": "1", "delta": "0.00001", "unit": "patient", "rho": "9"}
    good = Entry("budget.set", stamp(BEGIN), NORTH, facts | {"since": stamp(BEGIN), "until": stamp(BEGIN)})
    return signed([good.encode().decode().replace(f'"since":"{stamp(BEGIN)}"', f'"since":"{time}"')])


def test_no_date_ends_the_audit_of_everybody(monkeypatch, attack_report):
    others = [one for one in honest().bundles() if one.origin != NORTH]
    for time in ("2026-13-01T00:00:00.000Z", "0000-01-01T00:00:00.000Z", "2026-11-23T25:00:00.000Z"):
        report = verify([dated(time), *others])
        told = [one for one in report.findings if one.check == ENTRIES.name]
        assert [(one.origin, one.code) for one in told] == [(NORTH, "log.entries.malformed")]
        assert len(report.logs) == 1 + len(others)
    monkeypatch.setattr(FactType.TIME, "accepts", kinds._STAMP)
    with pytest.raises(ValueError, match="month"):
        verify([dated("2026-13-01T00:00:00.000Z"), *others])
    attack_report("budgets: audits ended by one bad date", got=0, control=1, of=1, unit="audits")


def test_a_period_begun_on_a_word_of_nobody_is_not_told_as_verified(log, monkeypatch, attack_report):
    got = audited(log, Signed(frozenset({stamp(BEGIN)}))).outcome
    monkeypatch.setattr(Signed, "at", lambda *_: True)
    control = audited(log, Signed()).outcome
    assert (got, control) == (AuditOutcome.UNVERIFIABLE, AuditOutcome.VERIFIED)
    attack_report("budgets: invented times that vouch, taken as true", got=0, control=1, of=1, unit="periods")
