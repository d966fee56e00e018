"""What a use remembers survives `kill -9`, is nowhere in the clear, and is gone from disk and backup with the use."""

import asyncio
import base64
import shutil
import threading
from contextlib import contextmanager
from hashlib import sha256

import httpx
import pytest

from medspace.adapters.keys import load_secret, load_token
from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.adapters.runner import ThreadPool
from medspace.adapters.sql import open_database
from medspace.adapters.usekeys import FileUseKeys
from medspace.app.compose.connector import COLLECTIONS
from medspace.app.node.changes import Changes
from medspace.connector.usage.errors import UseMemoryError
from medspace.connector.usage.memory import Memories
from medspace.connector.usage.model import MEMORIES
from tests.e2e.house.coin import STATISTICS, WITH_COIN, Coin
from tests.e2e.house.killable import Killable, eventually
from tests.e2e.space import PURPOSE, Holding, staged, step, table
from tests.workplaces import workplace

TASK = {"task": "coin", "purpose": PURPOSE, "min_sites": 1}


@contextmanager
def coined(folder):
    """A user, and a clinic that tosses coins and can be killed."""
    with staged(folder) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", Holding(table(2), "statistics-only", kinds=(STATISTICS,)), parts=WITH_COIN)
        stage.open("authority", "user")
        stage.clinic = Killable(stage.nodes["clinic"], "-m", "tests.e2e.house.coin")
        stage.clinic.start()
        try:
            stage.admit()
            stage.space("clinic").refresh()
            stage.agreement = stage.agree("user", "clinic")
            yield stage
        finally:
            stage.clinic.stop()


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with coined(tmp_path_factory.mktemp("coin")) as stage:
        yield stage


class Use:
    """One use, of one coin."""

    def __init__(self, stage, **task) -> None:
        self.stage, self.task = stage, TASK | task
        self.folder = stage.nodes["clinic"].folder
        self.id = stage.space("user").request(stage.agreement, STATISTICS)["id"]

    def ask(self, name, number):
        answer = self.stage.ask("user", "clinic", self.id, step(name, number, task=self.task))
        assert answer.status_code == 200, answer.text
        assert answer.json()["cohort"] == 0
        return answer.json()["values"]

    def complete(self):
        self.stage.space("user").steer(self.id, "complete")

    def keys(self):
        return sorted(self.folder.glob("keys/uses/*.key"))


@pytest.fixture
def use(stage):
    made = Use(stage)
    yield made
    made.complete()
    eventually(lambda: not made.keys())


def fits(opening, commitment):
    secret = bytes.fromhex(opening["secret"])
    return sha256(secret).hexdigest() == commitment["commitment"] and opening["heads"] == secret[0] & 1


def spread(folder, secret):
    """The files in which a secret stands, in any of the ways in which one would write it."""
    forms = (secret, secret.hex().encode(), base64.b64encode(secret)[:40], str(list(secret))[1:-1].encode())
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if any(form in file.read_bytes() for form in forms)]


def test_the_coin_that_was_committed_to_before_a_kill_is_the_one_that_is_revealed(stage, use):
    commitment = use.ask("commit", 1)
    (key,) = use.keys()
    assert key.stat().st_mode & 0o777 == 0o600
    stage.clinic.kill()
    kept = [(file, file.read_bytes()) for file in use.folder.rglob("*") if file.is_file()]
    stage.clinic.start()
    opening = use.ask("reveal", 2)
    assert fits(opening, commitment)
    secret = bytes.fromhex(opening["secret"])
    for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:40]):
        assert [file for file, content in kept if form in content] == []


def test_a_kill_while_it_is_revealed_loses_nothing(stage, tmp_path):
    wait = tmp_path / "wait"
    use = Use(stage, wait=str(wait))
    commitment = use.ask("commit", 1)
    wait.touch()
    failed = []

    def ask():
        with pytest.raises(httpx.HTTPError) as failure:
            stage.ask("user", "clinic", use.id, step("reveal", 2, task=use.task))
        failed.append(failure)

    asking = threading.Thread(target=ask)
    asking.start()
    eventually(wait.with_suffix(".begun").exists)
    stage.clinic.kill()
    asking.join(30)
    assert failed  # the connection has ended with the connector
    wait.unlink()
    stage.clinic.start()
    assert fits(use.ask("reveal", 2), commitment)
    entries = [entry["kind"] for entry in stage.entries("clinic") if entry["kind"].startswith("use.")]
    assert entries[-4:] == ["use.admitted", "use.released"] * 2
    use.complete()


def test_of_two_uses_each_has_its_own_coin(stage, use):
    other = Use(stage)
    commitments = use.ask("commit", 1), other.ask("commit", 1)
    assert commitments[0] != commitments[1]
    assert fits(use.ask("reveal", 2), commitments[0])
    assert fits(other.ask("reveal", 2), commitments[1])
    other.complete()
    eventually(lambda: len(use.keys()) == 1)


def test_nothing_is_revealed_that_was_not_committed_to(stage, use):
    answer = stage.ask("user", "clinic", use.id, step("reveal", 1, task=TASK))
    assert (answer.status_code, "nothing was committed to" in answer.text) == (400, True)


def remembered(folder, use):
    """What a use remembers, as far as all files of a connector's folder tell."""

    async def read():
        database = open_database(f"sqlite:///{next(folder.glob('*.db'))}", COLLECTIONS)
        try:
            keys = FileUseKeys(folder / "keys" / "uses", SeededRandomness(1))
            memories = Memories(keys, database, ThreadPool(), Changes(), ManualClock(), SeededRandomness(1))
            assert await database.read(lambda tx: tx.get(MEMORIES, use)) is not None
            return await memories.opened(use)
        finally:
            await database.close()

    return asyncio.run(read())


def test_after_the_use_its_secret_is_gone_also_from_a_backup(stage, tmp_path):
    """The control: the same backup, with the one key file that no backup has, still tells it."""
    use = Use(stage)
    before = {entry["facts"]["transfer"] for entry in stage.entries("clinic", "use.admitted")}
    use.ask("commit", 1)
    (held,) = {entry["facts"]["transfer"] for entry in stage.entries("clinic", "use.admitted")} - before
    stage.clinic.kill()
    shutil.copytree(use.folder, tmp_path / "backup", ignore=shutil.ignore_patterns("uses"))
    shutil.copytree(use.folder, tmp_path / "control")
    stage.clinic.start()
    use.complete()
    eventually(lambda: not use.keys())
    secret = remembered(tmp_path / "control", held)
    assert len(secret) == 33
    with pytest.raises(UseMemoryError):
        remembered(tmp_path / "backup", held)
    assert spread(tmp_path / "backup", secret) == spread(use.folder, secret) == []
    assert load_token(use.folder / "keys" / "questions.secret")  # every other secret is in the backup
    assert load_secret(use.folder / "keys" / "jobs.secret")


def restored(stage, use, backup, *, found):
    """Commit, reveal, put the database of before the opening back, and ask to reveal once more: what comes of it.

    `found` off is the control: what lies beside the key, outside of the database, is taken away by hand.
    """
    commitment = use.ask("commit", 1)
    stage.clinic.kill()
    shutil.copytree(use.folder, backup, ignore=shutil.ignore_patterns("keys"))
    stage.clinic.start()
    assert fits(use.ask("reveal", 2), commitment)
    stage.clinic.kill()
    for file in use.folder.glob("*.db*"):
        file.unlink()
    for file in backup.glob("*.db*"):
        shutil.copy(file, use.folder)
    for noted in () if found else use.folder.glob("keys/uses/*.begun"):
        noted.unlink()
    stage.clinic.start()
    return stage.ask("user", "clinic", use.id, step("reveal", 2, task=use.task))


@pytest.mark.parametrize("found", [True, False])
def test_a_use_that_was_rolled_back_by_a_backup_uses_no_secret_twice(tmp_path, found):
    with coined(tmp_path / "space") as stage:
        use = Use(stage)
        answer = restored(stage, use, tmp_path / "backup", found=found)
        if not found:
            assert (answer.status_code, answer.json()["values"]["secret"] != "") == (200, True)
            return
        assert (answer.status_code, answer.json()["code"]) == (409, "use.restored")
        assert stage.entries("clinic")[-1]["facts"]["code"] == "use.restored"
        user = stage.space("user")
        eventually(lambda: [one["state"] for one in user.transfers() if one["id"] == use.id] == ["TERMINATED"])
        eventually(lambda: not list(use.folder.glob("keys/uses/*.key")) + list(use.folder.glob("keys/uses/*.begun")))
        other = Use(stage)
        assert fits_after(other)


def fits_after(use):
    """Whether a new use tosses as ever."""
    commitment = use.ask("commit", 1)
    return fits(use.ask("reveal", 2), commitment)


def test_a_suspended_use_goes_on_with_its_coin(stage):
    use = Use(stage)
    commitment = use.ask("commit", 1)
    user = stage.space("user")

    def comes_to(state):
        eventually(lambda: state in [one["state"] for one in user.transfers() if one["id"] == use.id])

    user.steer(use.id, "suspend", reason="a pause")
    comes_to("SUSPENDED")
    stage.clinic.kill()
    stage.clinic.start()
    assert len(use.keys()) == 1
    user.steer(use.id, "resume")
    comes_to("STARTED")
    assert fits(use.ask("reveal", 2), commitment)
    use.complete()
    eventually(lambda: not use.keys())


def test_the_coin_is_that_of_the_randomness_that_it_is_given():
    asked = type("Step", (), {"task": TASK, "name": "commit"})()
    made = Coin().answer(None, asked, workplace(None, None))
    assert made == Coin().answer(None, asked, workplace(None, None))
    assert made.memory == SeededRandomness(7).token_bytes(33)
