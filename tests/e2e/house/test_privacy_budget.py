"""A privacy budget in whole connectors: shown, spent once whatever is killed, spent for good by a restored backup."""

import json
import shutil
import sqlite3
import threading
import traceback
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from medspace.app.compose import doctor
from medspace.app.features.budget.service import Budgets
from medspace.app.main import main
from medspace.app.node.placing import AssetSettingError
from medspace.connector.usage.model import ACCOUNTS
from medspace.core.clock import stamp
from medspace.privacy.noise.accounting import rho_of
from medspace.sdk import SpaceError
from tests.e2e.house.killable import Killable, eventually
from tests.e2e.house.noisy import STATISTICS, WITH_NOISE
from tests.e2e.space import ASSET, PURPOSE, Holding, audited, staged, step, table

ONE = rho_of(1.0, 1e-5)
TASK = {"task": "noisy", "purpose": PURPOSE, "min_sites": 1, "rho": [ONE // 4]}
BUDGET = "budget = { epsilon = 1.0, delta = 1e-5 }"
ANCHOR = '[checkpoints]\nfile = "anchors.jsonl"'


class Clock:
    """The operating system's clock, which may be set wrongly."""

    def __init__(self):
        self.by = timedelta()

    def now(self):
        return datetime.now(UTC) + self.by

    async def sleep(self, seconds):
        await WITH_NOISE.clock.sleep(seconds)


def holding(more=BUDGET):
    return Holding(table(2), "statistics-only", kinds=(STATISTICS,), more=more)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stage(tmp_path, clock):
    with staged(tmp_path) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", holding(), parts=replace(WITH_NOISE, clock=clock), more=ANCHOR)
        stage.open()
        stage.admit()
        yield stage


def begun(stage):
    return stage.space("user").request(stage.agree("user", "clinic"), STATISTICS)["id"]


def ask(stage, use, number=1, name="count", **task):
    return stage.ask("user", "clinic", use, step(name, number, task=TASK | task))


def refused(answer):
    assert answer.status_code == httpx.codes.FORBIDDEN, answer.text
    return answer.json()["cause"]


# --- seen by people ------------------------------------------------------------------------------------------------


@pytest.fixture
def said(stage, capsys):
    def say(*words, node="clinic"):
        with pytest.raises(SystemExit) as end:
            main([*words, "--config", str(stage.nodes[node].file)])
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out + printed.err

    return say


def test_what_is_allowed_spent_and_left_is_shown_and_to_whom_it_went(stage, said):
    assert refused(exact(stage)) == "policy.noise"
    use = begun(stage)
    assert ask(stage, use).json()["values"] == {"rows": 60}
    (state,) = stage.space("clinic").budgets()
    assert (state["dataset"], state["state"], state["share"], state["exact"]) == (ASSET, "open", 0.25, False)
    assert 0 < state["spent"] <= 1.0 > state["left"] > 0
    assert (state["counted"], state["spent"]) == ("zcdp", state["spent_zcdp"])  # of that noise only rho is known
    shown = stage.space("clinic").budget(ASSET)
    (debit,) = shown["debits"]
    assert (debit["use"] != use, debit["user"], debit["refunded"]) == (True, stage.nodes["user"].did, 0)
    code, text = said("budget")
    assert code == 0
    assert all(part in text for part in ("█████░", "25 %", "each patient", "refused"))
    assert all(("period" in text, "ends" in text, "renews" not in text))
    code, text = said("budget", "show", ASSET, "--lang", "zh")
    assert (code, stage.nodes["user"].did in text, "任务" in text) == (0, True, True)
    assert json.loads(said("budget", "show", ASSET, "--json")[1])["debits"] == [debit]
    assert json.loads(said("budget", "--json")[1])["budgets"] == [state]
    _, text = said("policy", "try", ASSET, "--purpose", PURPOSE, "--place", "DE", "--use", STATISTICS)
    assert "has given epsilon" in text
    contract = stage.space("user").agreements()[0]["contract"]
    assert "All answers under this contract carry noise." in contract
    assert any(line.startswith("Together they are held to epsilon 1 (delta 0.00001)") for line in contract)


def exact(stage):
    task = {name: value for name, value in TASK.items() if name != "rho"}
    return stage.ask("user", "clinic", begun(stage), step("count", 1, task=task))


def test_what_was_never_opened_comes_back_when_the_use_is_over(stage):
    use = begun(stage)
    assert ask(stage, use, rho=[ONE // 2, ONE // 4]).status_code == httpx.codes.OK
    assert ask(stage, use, 1, "open", rho=[ONE // 2, ONE // 4]).json()["values"] == {"opened": 1}
    assert ask(stage, use, 2, rho=[ONE // 2, ONE // 4]).status_code == httpx.codes.OK
    stage.space("user").steer(use, "complete")
    eventually(lambda: stage.entries("clinic", "budget.refunded"))
    shown = stage.space("clinic").budget(ASSET)
    (debit,) = shown["debits"]
    assert (debit["settled"], debit["rho"]) == (
        True,
        {"taken": str(ONE // 2 + ONE // 4), "refunded": str(ONE // 4)},
    )
    assert shown["rho"]["taken"] == str(ONE // 2)
    log = json.dumps(stage.entries("clinic"))
    assert "p2-" not in log  # no person's


def test_an_audit_adds_up_what_was_spent_and_says_it(stage, capsys, tmp_path):
    use = begun(stage)
    assert ask(stage, use, rho=[ONE // 2, ONE // 4]).status_code == httpx.codes.OK
    assert ask(stage, use, 1, "open", rho=[ONE // 2, ONE // 4]).json()["values"] == {"opened": 1}
    stage.space("user").steer(use, "complete")
    eventually(lambda: stage.entries("clinic", "budget.refunded"))
    found = audited(stage, tmp_path)
    assert found["outcome"] == "verified", found["findings"]
    checks = {check["check"]: check["verified"] for check in found["checks"]}
    assert (checks["budget.kept"], checks["budget.paid"]) == (3, 1)
    (spent,) = found["budgets"]
    (period,) = spent["periods"]
    (agreement,) = spent["agreements"]
    assert (spent["dataset"], period["rho"]["spent"], agreement["rho"]) == (ASSET, str(ONE // 2), str(ONE // 2))
    assert (period["epsilon"], period["debits"], period["vouched"]) == ("1", 1, None)
    assert period["spent"] == agreement["spent"] == stage.space("clinic").budget(ASSET)["debits"][0]["epsilon"]
    key = stage.space("user").status()["authority_key"]
    files = [str(tmp_path / f"{node}.log.json") for node in stage.nodes]
    for words, sentence in (((), f"epsilon {period['spent']:g} of 1"), (("--lang", "zh"), "共扣款 1 次")):
        with pytest.raises(SystemExit):
            main(["audit", "verify", *files, "--authority-key", key, *words])
        assert sentence in " ".join(capsys.readouterr().out.split())


def test_a_dataset_with_exact_answers_besides_says_so_everywhere(stage, said):
    stage.close("clinic")
    file = stage.nodes["clinic"].file
    file.write_text(file.read_text().replace("delta = 1e-5 }", "delta = 1e-5, exact = true, warn = 0.2 }"))
    stage.open("clinic")
    task = {name: value for name, value in TASK.items() if name != "rho"}
    assert stage.ask("user", "clinic", begun(stage), step("count", 1, task=task)).status_code == httpx.codes.OK
    use = begun(stage)
    assert ask(stage, use, 2).status_code == httpx.codes.OK
    besides = "gives exact answers besides: the budget does not cover them"
    for words in (("budget",), ("budget", "show", ASSET), ("doctor", "--json")):
        assert besides in " ".join(said(*words)[1].split())
    eventually(lambda: stage.space("clinic").budgets()[0]["near"])
    assert "`medspace budget show` says" in said("doctor", "--json")[1]
    assert [entry["facts"]["exact"] for entry in stage.entries("clinic", "budget.set")] == ["refused", "allowed"]


@pytest.mark.parametrize(
    "budget",
    [
        "budget = { epsilon = nan }",
        "budget = { epsilon = -1.0 }",
        "budget = { epsilon = inf }",
        "budget = { epsilon = 1e9 }",
        "budget = { epsilon = 1.0, delta = 0.5 }",
        "budget = { epsilon = 1.0, warn = 0.0 }",
        "budget = { epsilon = 1.0, warn = nan }",
    ],
)
def test_a_budget_that_bounds_nothing_is_refused_by_doctor_and_start(tmp_path, capsys, budget, monkeypatch):
    monkeypatch.setattr(doctor, "SERVED", doctor.SERVED | {"medspace:statistics"})  # as this connector serves it
    with staged(tmp_path) as stage:
        stage.add("authority", holding(budget), parts=WITH_NOISE)
        with pytest.raises(SystemExit):
            main(["doctor", "--json", "--config", str(stage.nodes["authority"].file)])
        checks = json.loads(capsys.readouterr().out)["checks"]
        (found,) = [check for check in checks if check["name"] == "assets" and not check["ok"]]
        assert "privacy budget of hearts cannot be used" in found["sentence"]
        assert "docs/operations.md" in found["next_step"]
        with pytest.raises((AssetSettingError, ExceptionGroup)) as refusal:
            stage.open()
        stage.nodes["authority"].task = None  # it has ended by itself
        assert "budget.invalid" in "".join(traceback.format_exception(refusal.value))


def test_the_doctor_says_that_a_restored_backup_could_not_be_noticed(tmp_path, capsys):
    with staged(tmp_path) as stage:
        stage.add("authority", holding(), parts=WITH_NOISE)
        with pytest.raises(SystemExit):
            main(["doctor", "--json", "--config", str(stage.nodes["authority"].file)])
        assert "a restored backup cannot be noticed" in capsys.readouterr().out


# --- the period ----------------------------------------------------------------------------------------------------


def renewed(stage, *, anyway=False):
    """What becomes of a renewal: the code of its refusal, or nothing."""
    try:
        stage.space("clinic").renew_budget(ASSET, anyway=anyway)
    except SpaceError as error:
        return error.code
    return ""


def test_a_period_is_not_renewed_before_its_end_nor_for_what_has_none(stage, said):
    assert renewed(stage) == renewed(stage, anyway=True) == "budget.early"
    code, text = said("budget", "renew", "nothing")
    assert (code, "budget.unknown" in text) == (2, True)
    with pytest.raises(SpaceError) as refusal:
        stage.space("clinic").budget("nothing")
    assert refusal.value.code == "budget.unknown"


def budgets_of(stage, **parts):
    """Other wiring of the verb, for the controls."""
    kept = stage.nodes["clinic"].connector.of("budget")
    for name, part in parts.items():
        object.__setattr__(kept, name, part)


class Credulous(Budgets):
    """The control: our own clock is believed."""

    __slots__ = ()

    async def _signed(self):
        return stamp(self.local.clock.now())


async def nobody(_dids):
    return []


def test_a_clock_that_was_set_forward_renews_nothing(stage, clock):
    assert ask(stage, begun(stage), rho=[ONE]).status_code == httpx.codes.OK
    clock.by = timedelta(days=366)
    assert renewed(stage) == "budget.clock"
    assert renewed(stage, anyway=True) == "budget.clock"  # others say that it is wrong
    budgets_of(stage, ask_clocks=nobody)
    assert renewed(stage) == "budget.unvouched"
    assert stage.space("clinic").budgets()[0]["rho"]["taken"] == str(ONE)
    object.__setattr__(stage.nodes["clinic"].connector.of("budget"), "__class__", Credulous)
    assert renewed(stage) == ""  # the control
    assert stage.space("clinic").budgets()[0]["rho"]["taken"] == "0"


def test_what_nobody_vouches_for_is_a_persons_word_and_stands_in_the_log(stage, clock):
    clock.by = timedelta(days=366)
    budgets_of(stage, ask_clocks=nobody)
    before = stage.space("clinic").budgets()[0]
    assert before["state"] == "ended"
    assert renewed(stage, anyway=True) == ""
    (entry,) = stage.entries("clinic", "budget.renewed")
    assert "vouched" not in entry["facts"]
    assert stage.space("clinic").budgets()[0]["since"] > before["until"]
    assert renewed(stage, anyway=True) == "budget.early"


def test_after_a_renewal_the_debits_before_are_one_line_and_the_audit_says_who_vouched(stage, said, clock, tmp_path):
    use = begun(stage)
    assert ask(stage, use, rho=[ONE // 2]).status_code == httpx.codes.OK
    assert ask(stage, use, 1, "open", rho=[ONE // 2]).status_code == httpx.codes.OK
    stage.space("user").steer(use, "complete")
    eventually(lambda: stage.space("clinic").budget(ASSET)["debits"][0]["settled"])
    clock.by = timedelta(days=366)
    budgets_of(stage, ask_clocks=nobody)
    assert renewed(stage, anyway=True) == ""
    eventually(lambda: stage.space("clinic").budget(ASSET)["earlier"])
    found = stage.space("clinic").budget(ASSET)
    assert (found["debits"], [one["uses"] for one in found["earlier"]]) == ([], [1])
    _, text = said("budget", "show", ASSET)
    assert "was taken (uses: 1)" in " ".join(text.split())
    audit = audited(stage, tmp_path)
    assert [one for one in audit["findings"] if one["check"].startswith("budget")] == []
    (spent,) = audit["budgets"]
    assert [(one["vouched"], one["rho"]["spent"]) for one in spent["periods"]] == [(None, str(ONE // 2)), ("", "0")]


def test_a_list_that_was_signed_after_the_end_vouches_for_it(stage, clock):
    def end(tx):
        account = tx.get(ACCOUNTS, ASSET)
        day = timedelta(days=1)
        since, until = stamp(clock.now() - 366 * day), stamp(clock.now() - day)
        tx.replace(ACCOUNTS, account, replace(account, since=since, until=until, taken=7))

    stage.run(stage.nodes["clinic"].connector.node.database.write(end))
    assert refused(ask(stage, begun(stage))) == "budget.period"
    assert renewed(stage) == ""
    (entry,) = stage.entries("clinic", "budget.renewed")
    assert entry["facts"]["vouched"] <= entry["facts"]["since"]
    assert ask(stage, begun(stage)).status_code == httpx.codes.OK


# --- a backup that is restored -------------------------------------------------------------------------------------


def database(stage):
    (file,) = stage.nodes["clinic"].folder.glob("*.db")
    return file


def anchored(stage):
    """The log as it stands is signed, and kept."""
    stage.run(stage.nodes["clinic"].connector._base.anchoring().look())


def backup_restored(stage, tmp_path):
    """A use pays after the backup; then the backup is restored."""
    use = begun(stage)
    assert ask(stage, use).status_code == httpx.codes.OK
    stage.close("clinic")
    shutil.copy(database(stage), tmp_path / "backup.db")
    stage.open("clinic")
    assert ask(stage, begun(stage), 2, rho=[ONE // 2]).status_code == httpx.codes.OK
    anchored(stage)
    stage.close("clinic")
    for file in stage.nodes["clinic"].folder.glob("*.db*"):
        file.unlink()
    shutil.copy(tmp_path / "backup.db", stage.nodes["clinic"].folder / "connector.db")
    return use


def test_a_restored_backup_counts_as_spent_and_ends_what_goes_on(stage, tmp_path, said):
    use = backup_restored(stage, tmp_path)
    stage.open("clinic")
    (state,) = stage.space("clinic").budgets()
    assert (state["state"], state["left"], state["share"]) == ("frozen", 0.0, 1.0)
    (entry,) = stage.entries("clinic", "budget.frozen")
    assert entry["facts"]["code"] == "budget.restored"
    assert refused(ask(stage, begun(stage), 3)) == "budget.frozen"
    eventually(lambda: use_state(stage, use) == "TERMINATED")
    code, text = said("doctor", "--json")
    assert (code != 0, "a backup of the database was restored" in text) == (True, True)
    assert "a backup of the database was restored" in said("budget")[1]
    assert renewed(stage, anyway=True) == "budget.early"
    stage.close("clinic")
    stage.open("clinic")  # found once
    assert len(stage.entries("clinic", "budget.frozen")) == 1


def use_state(stage, use):
    return next(one["state"] for one in stage.space("user").transfers() if one["id"] == use)


def test_without_an_anchor_a_restored_backup_gives_the_budget_back(stage, tmp_path):
    """The control: what the anchor is for."""
    file = stage.nodes["clinic"].file
    stage.close("clinic")
    file.write_text(file.read_text().replace(ANCHOR, ""))
    stage.open("clinic")
    backup_restored(stage, tmp_path)
    stage.open("clinic")
    assert stage.space("clinic").budgets()[0]["state"] == "open"
    assert ask(stage, begun(stage), 3, rho=[ONE // 2]).status_code == httpx.codes.OK


# --- kill -9 -------------------------------------------------------------------------------------------------------


@pytest.fixture
def killable(tmp_path):
    with staged(tmp_path) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", holding(), parts=WITH_NOISE)
        stage.open("authority", "user")
        stage.clinic = Killable(stage.nodes["clinic"], "-m", "tests.e2e.house.noisy")
        stage.clinic.start()
        try:
            stage.admit()
            stage.space("clinic").refresh()
            yield stage
        finally:
            stage.clinic.stop()


def kept(stage, name):
    with closing(sqlite3.connect(f"file:{database(stage)}?mode=ro", uri=True)) as connection:
        return [json.loads(body) for (body,) in connection.execute(f"SELECT body FROM {name}")]


def killed_at_work(stage, use, task):
    """The connector is killed after the debit, before the release."""
    wait = Path(task["wait"])
    wait.touch()
    begun_file = wait.with_suffix(".begun")
    begun_file.unlink(missing_ok=True)

    def asked():
        with pytest.raises(httpx.HTTPError):
            ask(stage, use, **task)

    asking = threading.Thread(target=asked)
    asking.start()
    eventually(begun_file.exists)
    stage.clinic.kill()
    asking.join(30)
    begun_file.unlink()


def test_a_kill_between_debit_and_release_gives_one_release_for_one_debit(killable, tmp_path):
    stage, wait = killable, tmp_path / "wait"
    use, task = begun(stage), {"wait": str(wait), "rho": [ONE // 2]}
    killed_at_work(stage, use, task)
    (account,), (debit,) = kept(stage, "budget_accounts"), kept(stage, "budget_debits")
    assert (account["taken"], debit.get("asked", 1), debit.get("let_out", 0)) == (ONE // 2, 1, 0)
    wait.unlink()
    stage.clinic.start()  # done again under the same admission, for the same debit
    answer = ask(stage, use, **task)
    assert answer.json()["values"] == {"rows": 60}
    assert ask(stage, use, **task).json() == answer.json()
    assert refused(ask(stage, use, 2, **task)) == "budget.rounds"
    (account,), debits = kept(stage, "budget_accounts"), kept(stage, "budget_debits")
    assert (account["taken"], len(debits)) == (ONE // 2, 1)
    assert len(stage.entries("clinic", "use.released")) == len(stage.entries("clinic", "budget.debited")) == 1
