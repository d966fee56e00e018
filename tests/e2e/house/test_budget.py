"""`kill -9` between debit and release: what was spent is spent, and is spent once."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.house.budget import STATISTICS, WITH_BUDGET
from tests.e2e.house.killable import Killable, eventually
from tests.e2e.space import PURPOSE, Holding, staged, step, table

TASK = {"task": "slow", "purpose": PURPOSE, "min_sites": 1}


@pytest.fixture
def stage(tmp_path):
    with staged(tmp_path) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", Holding(table(2), "statistics-only", kinds=(STATISTICS,)), parts=WITH_BUDGET)
        stage.open("authority", "user")
        stage.clinic = Killable(stage.nodes["clinic"], "-m", "tests.e2e.house.budget")
        stage.clinic.start()
        try:
            stage.admit()
            stage.space("clinic").refresh()
            stage.use = stage.space("user").request(stage.agree("user", "clinic"), STATISTICS)["id"]
            yield stage
        finally:
            stage.clinic.stop()


def ask(stage, number, **task):
    return stage.ask("user", "clinic", stage.use, step("count", number, task=TASK | task))


def killed_at_work(stage, task):
    """The connector is killed after the debit, before the release."""
    wait = Path(task["wait"])
    wait.touch()
    begun = wait.with_suffix(".begun")
    begun.unlink(missing_ok=True)

    def asked():
        with pytest.raises(httpx.HTTPError):
            ask(stage, 1, **task)

    asking = threading.Thread(target=asked)
    asking.start()
    eventually(begun.exists)
    stage.clinic.kill()
    asking.join(30)
    begun.unlink()


def kept(stage, table):
    """The records of a table, read beside the connector."""
    (file,) = stage.nodes["clinic"].folder.glob("*.db")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return [json.loads(body) for (body,) in connection.execute(f"SELECT body FROM {table}")]


def account(stage):
    """What the agreement has spent, and what became of the questions; each was debited once."""
    (account,), questions, jobs = kept(stage, "test_accounts"), kept(stage, "questions"), kept(stage, "jobs")
    counted = sum(question.get("counted", True) for question in questions)
    assert counted == len(account["debits"]) == sum(job.get("steps", 0) for job in jobs)
    return account["spent"], sorted(question.get("outcome", "open") for question in questions)


def test_a_kill_between_debit_and_release_neither_refunds_nor_doubles(stage, tmp_path):
    wait = tmp_path / "wait"
    task = {"wait": str(wait), "tokens": 2}
    killed_at_work(stage, task)
    assert account(stage) == (2, ["open"])
    stage.clinic.start()  # the step is done again, under the same admission
    eventually(wait.with_suffix(".begun").exists)
    stage.clinic.kill()
    assert account(stage) == (2, ["open"])
    wait.unlink()
    stage.clinic.start()  # a third time it is not tried: it has failed, and has cost what it has cost
    eventually(lambda: stage.entries("clinic", "use.failed"))
    assert account(stage) == (2, ["failed"])
    answer = ask(stage, 1, **task)  # asked once more it is another question to the rows, and is paid for
    assert answer.json()["values"] == {"rows": 60, "tokens": 2}
    assert ask(stage, 1, **task).json() == answer.json()  # but not when its answer was lost
    refused = ask(stage, 2, **task)
    assert (refused.status_code, "budget" in refused.text) == (403, True)
    assert account(stage) == (4, ["failed", "released"])
    kinds = [entry["kind"] for entry in stage.entries("clinic") if entry["kind"].startswith("use.")]
    assert kinds == ["use.admitted", "use.failed", "use.admitted", "use.released", "use.refused"]


def test_a_step_that_goes_on_after_a_kill_is_paid_for_once(stage, tmp_path):
    wait = tmp_path / "wait"
    killed_at_work(stage, {"wait": str(wait)})
    wait.unlink()
    stage.clinic.start()
    assert ask(stage, 1, wait=str(wait)).json()["values"]["tokens"] == 1
    assert account(stage) == (1, ["released"])


def test_the_same_question_of_another_use_costs_nothing(stage):
    first = ask(stage, 1).json()
    other = stage.space("user").request(stage.agree("user", "clinic"), STATISTICS)["id"]
    again = stage.ask("user", "clinic", other, step("count", 1, task=TASK)).json()
    assert again["values"] == first["values"]
    assert [entry["kind"] for entry in stage.entries("clinic", "use.admitted")] == ["use.admitted"] * 2
    assert [one["spent"] for one in kept(stage, "test_accounts")] == [1]
