"""A backup made, downloaded and checked in a real browser, and restored elsewhere: what was there is there."""

import shutil

import pytest

from medspace.app.features.upkeep.restoring import restore
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import ASSET, hospital, staged

PASSPHRASE = "a passphrase for tests"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("backup")) as stage:
        stage.add("authority")
        stage.add("user")
        stage.add("clinic", hospital())
        stage.open()
        stage.admit()
        stage.nodes["clinic"].connector.of("upkeep").cost = 14
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def origin(stage):
    return f"http://localhost:{stage.nodes['clinic'].config.private.port}"


def asked(owner, passphrase, again):
    owner.open("/backup")
    owner.page.get_by_label("Passphrase", exact=True).fill(passphrase)
    owner.page.get_by_label("The same again").fill(again)
    owner.page.get_by_role("button", name="Make the backup").click()


def test_what_the_page_gives_is_restored_elsewhere(stage, browser, tmp_path):
    agreement = stage.agree("user", "clinic")
    file = tmp_path / "it.backup"
    with visiting(browser, origin(stage)) as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        owner.open("/doctor")
        owner.page.get_by_role("link", name="Make or check a backup").click()
        asked(owner, PASSPHRASE, PASSPHRASE)
        owner.page.get_by_role("heading", name="Confirm that it is you").wait_for()
        confirm(owner)
        asked(owner, PASSPHRASE, PASSPHRASE + "!")
        owner.page.get_by_text("The two passphrases are not the same.").wait_for()
        assert PASSPHRASE not in owner.page.content()
        assert "400" in owner.objections.pop()
        asked(owner, PASSPHRASE, PASSPHRASE)
        owner.page.get_by_role("heading", name="The backup is ready").wait_for()
        assert owner.violations() == []
        with owner.page.expect_download() as downloading:
            owner.page.get_by_role("link", name="Download the backup").click()
        assert downloading.value.suggested_filename.startswith("medspace-20")
        downloading.value.save_as(file)
        owner.page.get_by_label("Its passphrase").fill(PASSPHRASE)
        owner.page.get_by_label("Its file").set_input_files(file)
        owner.page.get_by_role("button", name="Check the backup").click()
        owner.page.get_by_role("heading", name="The backup is whole").wait_for()
        owner.page.get_by_label("Its passphrase").fill("another passphrase")
        owner.page.get_by_label("Its file").set_input_files(file)
        owner.page.get_by_role("button", name="Check the backup").click()
        owner.page.get_by_text("the passphrase is wrong").wait_for()
        assert "400" in owner.objections.pop()
    (made,) = stage.entries("clinic", "backup.made")
    assert made["facts"]["bytes"] == file.stat().st_size
    node = stage.nodes["clinic"]
    stage.close("clinic")
    assert not (node.folder / ".backup-downloads").exists(), "no backup outlives the connector"
    rows = (node.folder / "rows.csv").read_text()
    shutil.rmtree(node.folder)
    found = restore(file, tmp_path / "new", PASSPHRASE.encode())
    assert (found["did"], found["frozen"]) == (node.did, True)
    node.file = tmp_path / "new" / "medspace.toml"
    (node.folder / "rows.csv").write_text(rows)
    stage.open("clinic")
    space = stage.space("clinic")
    assert [one["id"] for one in space.agreements()] == [agreement]
    assert [(one["dataset"], one["state"]) for one in space.status()["assets"]] == [(ASSET, "open")]


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_the_page_is_accessible_and_fits(stage, browser, language, theme):
    with visiting(browser, origin(stage), locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("clinic").portal_link()["url"])
        assert owner.open("/backup") == 200
        owner.suits()
