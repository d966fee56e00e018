"""A new folder: what is written can be started from, and is never overwritten."""

import pytest

from medspace.app.config import ConfigError, read_config
from medspace.app.doctor import examine
from medspace.app.setup import AuthorityUnknownError, Wishes, set_up
from tests.e2e.space import table


def test_a_first_participant_is_its_own_authority(tmp_path):
    told = set_up(tmp_path / "a", Wishes("A", 18_100))
    assert told["did"] == told["authority"] == "did:web:127.0.0.1%3A18100"
    assert told["authority_key"] == told["public_key"]
    assert told["to_review"] == []
    assert read_config(tmp_path / "a" / "medspace.toml").is_authority
    with pytest.raises(ConfigError, match="exists already"):
        set_up(tmp_path / "a", Wishes("A", 18_100))


def test_a_file_that_is_offered_comes_with_a_dictionary_to_review(tmp_path):
    (tmp_path / "hearts.csv").write_text(table(1))
    wishes = Wishes('"H" é', 18_100, "did:web:a.example", "a-key", "DE", tmp_path / "hearts.csv", "person")
    told = set_up(tmp_path / "h", wishes)
    assert [name.rpartition("/")[2] for name in told["to_review"]] == ["hearts.dictionary.toml", "medspace.toml"]
    config = read_config(tmp_path / "h" / "medspace.toml")
    assert (config.participant.name, config.participant.region) == ('"H" é', "DE")
    assert (config.space.authority, config.space.authority_key) == ("did:web:a.example", "a-key")
    assert [asset.id for asset in config.assets] == ["hearts"]


def test_without_the_authoritys_key_nothing_is_written(tmp_path):
    with pytest.raises(AuthorityUnknownError):
        set_up(tmp_path / "h", Wishes("H", 18_100, "did:web:127.0.0.1%3A9"))
    assert not (tmp_path / "h").exists()


def test_the_doctor_finds_a_new_folder_in_order_and_says_what_is_not(tmp_path):
    set_up(tmp_path / "a", Wishes("A", 18_100))
    file = tmp_path / "a" / "medspace.toml"
    found = {check["name"]: check for check in examine(file, "en")["checks"]}
    assert all(found[name]["ok"] for name in ("configuration", "key", "private token", "database", "assets", "disk"))
    assert found["connector"]["sentence"] == "It is not running."
    (tmp_path / "a" / "keys" / "participant.pem").unlink()
    report = examine(file, "en")
    found = {check["name"]: check for check in report["checks"]}
    assert not report["ok"]
    assert not found["key"]["ok"]
    assert found["key"]["next_step"]
    file.write_text("no TOML")
    (only,) = examine(file, "en")["checks"]
    assert (only["name"], only["ok"]) == ("configuration", False)
