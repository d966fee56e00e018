"""What a backup holds, what it refuses, and what its verbs say."""

import json
import os
import shutil
import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest

from medspace.adapters.keys import SecretExposedError
from medspace.adapters.sealedfile import SealedFileError
from medspace.adapters.sql import upgrade
from medspace.adapters.sql.errors import SchemaAheadError
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.features.upkeep import backing_up, passphrase
from medspace.app.features.upkeep.backing_up import BackupFileError, DatabaseElsewhereError, back_up
from medspace.app.features.upkeep.restoring import RestoreFolderError, look, restore
from medspace.app.main import main
from medspace.app.node import backups as record
from medspace.app.node.config import read_config
from medspace.core.errors import StorageError

CHEAP = 14
PASSPHRASE = b"correct horse battery"


@pytest.fixture
def config(tmp_path):
    """A connector that was set up and never ran, but for its database."""
    folder = tmp_path / "hospital"
    set_up(folder, Wishes("Hospital", 8100, "", "", "CN", None))
    upgrade(read_config(folder / "medspace.toml").database_url)
    return folder / "medspace.toml"


def said(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out + printed.err


def changed(config, old, new):
    config.write_text(config.read_text().replace(old, new, 1))


def test_a_backup_is_private_whole_and_never_written_over(config, tmp_path):
    file = tmp_path / "it.backup"
    made = back_up(config, file, PASSPHRASE, cost=CHEAP)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"Hospital" not in file.read_bytes()
    assert look(file, PASSPHRASE)["files"] == made["files"]
    assert made["files"][-1] == "connector.db"
    before = file.read_bytes()
    with pytest.raises(BackupFileError, match="exists already"):
        back_up(config, file, PASSPHRASE, cost=CHEAP)
    assert file.read_bytes() == before
    assert not [one for one in config.parent.iterdir() if one.name.startswith(".backup-")]


def test_what_is_restored_is_what_was_saved_and_only_its_owner_reaches_it(config, tmp_path):
    file, folder = tmp_path / "it.backup", tmp_path / "new"
    back_up(config, file, PASSPHRASE, cost=CHEAP)
    restore(file, folder, PASSPHRASE)
    for one in folder.rglob("*"):
        assert not stat.S_IMODE(one.stat().st_mode) & 0o077
    for name in ("medspace.toml", "keys/participant.pem", "keys/private.token"):
        assert (folder / name).read_bytes() == (config.parent / name).read_bytes()
    assert record.restored(read_config(folder / "medspace.toml")) is not None


def test_what_lies_elsewhere_is_saved_and_it_is_said_where_it_belongs(config, tmp_path):
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    shutil.copy(config.parent / "keys" / "private.token", elsewhere / "token")
    changed(config, "port = 8101", f'port = 8101\ntoken = "{elsewhere / "token"}"')
    changed(config, "[log]", f'[database]\nurl = "sqlite:///{elsewhere / "records.db"}"\n\n[log]')
    upgrade(read_config(config).database_url)
    file, folder = tmp_path / "it.backup", tmp_path / "new"
    back_up(config, file, PASSPHRASE, cost=CHEAP)
    places = {one["file"]: one["place"] for one in restore(file, folder, PASSPHRASE)["to_place"]}
    assert places == {
        "outside/private.token/token": str(elsewhere / "token"),
        "outside/database.url/records.db": str(elsewhere / "records.db"),
    }
    assert (folder / "outside" / "private.token" / "token").exists()


def test_checkpoints_that_are_kept_elsewhere_are_no_part_of_it(config, tmp_path):
    (tmp_path / "anchors.jsonl").write_text("")
    (config.parent / "near.jsonl").write_text("")
    for file, there in ((tmp_path / "anchors.jsonl", False), ("near.jsonl", True)):
        with config.open("a") as text:
            text.write(f'\n[checkpoints]\nfile = "{file}"\n')
        made = back_up(config, tmp_path / f"{there}.backup", PASSPHRASE, cost=CHEAP)
        assert ("near.jsonl" in made["files"]) is there
        changed(config, f'\n[checkpoints]\nfile = "{file}"\n', "")


def test_postgresql_is_copied_by_its_own_tools(config, tmp_path):
    pytest.importorskip("psycopg")
    changed(config, "[log]", '[database]\nurl = "postgresql+psycopg://user:secret@db.example/space"\n\n[log]')
    config.chmod(0o600)
    with pytest.raises(DatabaseElsewhereError) as refused:
        back_up(config, tmp_path / "it.backup", PASSPHRASE, cost=CHEAP)
    assert 'pg_dump --format=custom --file=medspace.dump "postgresql://user@db.example/space"' in str(refused.value)
    assert "secret" not in str(refused.value)
    made = back_up(config, tmp_path / "it.backup", PASSPHRASE, without_database=True, cost=CHEAP)
    assert not made["database"]
    assert not restore(tmp_path / "it.backup", tmp_path / "new", PASSPHRASE)["database"]


def test_a_damaged_database_is_no_backup(config, tmp_path):
    database = config.parent / "connector.db"
    with database.open("r+b") as file:
        file.seek(4096)  # behind the first page
        file.write(b"\xff" * 40_000)
    with pytest.raises(StorageError):
        back_up(config, tmp_path / "it.backup", PASSPHRASE, cost=CHEAP)
    assert [one.name for one in tmp_path.iterdir()] == ["hospital"]


def test_a_database_of_a_newer_version_is_not_restored(config, tmp_path):
    with sqlite3.connect(config.parent / "connector.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaAheadError):
        back_up(config, tmp_path / "it.backup", PASSPHRASE, cost=CHEAP)


def test_a_database_that_was_never_made_or_a_folder_that_is_not_there_is_said(config, tmp_path):
    with pytest.raises(BackupFileError):
        back_up(config, tmp_path / "none" / "it.backup", PASSPHRASE, cost=CHEAP)
    (config.parent / "connector.db").unlink()
    made = back_up(config, tmp_path / "it.backup", PASSPHRASE, cost=CHEAP)
    assert not made["database"]


def test_a_file_that_is_too_large_or_unreadable_is_said(config, tmp_path, monkeypatch):
    monkeypatch.setattr(backing_up, "LARGEST_SMALL", 10)
    with pytest.raises(BackupFileError, match="is larger than"):
        back_up(config, tmp_path / "it.backup", PASSPHRASE, cost=CHEAP)


def test_a_disk_without_hard_links_takes_a_rename(config, tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    back_up(config, tmp_path / "it.backup", PASSPHRASE, cost=CHEAP)
    assert look(tmp_path / "it.backup", PASSPHRASE)["files"]


def test_a_folder_that_cannot_be_written_takes_nothing(config, tmp_path):
    file = tmp_path / "it.backup"
    back_up(config, file, PASSPHRASE, cost=CHEAP)
    with pytest.raises(RestoreFolderError):
        restore(file, tmp_path / "none" / "new", PASSPHRASE)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RestoreFolderError):
        restore(file, tmp_path / "link", PASSPHRASE)


def test_people_back_up_check_and_restore_by_verbs(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(backing_up.back_up, "__kwdefaults__", backing_up.back_up.__kwdefaults__ | {"cost": CHEAP})
    monkeypatch.setenv(passphrase.VARIABLE, PASSPHRASE.decode())
    file, folder = str(tmp_path / "it.backup"), str(tmp_path / "new")
    code, text = said(capsys, "backup", file, "--config", str(config))
    assert (code, "must stay deletable" in text, f"medspace restore {file} --check" in text) == (0, True, True)
    assert "It is whole" in said(capsys, "restore", file, "--check")[1]
    assert json.loads(said(capsys, "restore", file, "--check", "--json")[1])["database"]
    assert said(capsys, "restore", file)[0] == 2
    code, text = said(capsys, "restore", file, folder)
    assert code == 0
    taken_back = ("budgets count as spent", "medspace token new", "--as-configured", "medspace agreement end ID")
    for words in ("Never run the old one again", f"medspace up {folder}/medspace.toml", *taken_back):
        assert words in " ".join(text.split())
    code, text = said(capsys, "restore", file, str(tmp_path / "moved"), "--moved")
    assert (code, [words for words in taken_back if words in " ".join(text.split())]) == (0, [])
    code, text = said(capsys, "restore", file, folder)
    assert (code, "restore.folder" in text) == (2, True)


def test_a_passphrase_is_private_and_long_enough(config, tmp_path, capsys, monkeypatch):
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o644)
    words = ("backup", str(tmp_path / "it.backup"), "--config", str(config), "--passphrase-file", str(secret))
    assert SecretExposedError.code in said(capsys, *words)[1]
    secret.chmod(0o600)
    monkeypatch.setattr(backing_up.back_up, "__kwdefaults__", backing_up.back_up.__kwdefaults__ | {"cost": CHEAP})
    assert said(capsys, *words)[0] == 0
    assert look(tmp_path / "it.backup", PASSPHRASE)
    secret.write_text("short\n")
    assert "fewer than 12 characters" in said(capsys, *words)[1]
    monkeypatch.delenv(passphrase.VARIABLE, raising=False)
    assert "there is none" in said(capsys, *words[:-2], "--json")[1]
    secret.write_text("another passphrase\n")
    code, text = said(capsys, "restore", words[1], "--check", "--passphrase-file", str(secret))
    assert (code, SealedFileError.code in text) == (2, True)


class Day:
    def __init__(self, days):
        self.days = days

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.days)


def test_the_doctor_says_how_old_the_last_backup_is(config, tmp_path):
    read = read_config(config)
    assert "No backup" in str(record.backup_check(read, Day(0)).found)
    back_up(config, tmp_path / "it.backup", PASSPHRASE, clock=Day(0), cost=CHEAP)
    for days, due in ((2, False), (8, True)):
        check = record.backup_check(read, Day(days))
        assert (check.ok, f"{days} days old" in str(check.found), check.next_step is not None) == (True, True, due)
    (config.parent / record.LAST).write_text("{")
    assert record.backup_check(read, Day(0)).next_step is not None
