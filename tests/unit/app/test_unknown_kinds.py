"""What people are told of entries whose kind their program does not know: never nothing, nor an unforeseen end."""

import json

import pytest

from medspace.app.features.audit import auditing
from medspace.app.features.audit.service import Proofs
from medspace.app.main import main
from medspace.ledger import bundle, kinds
from medspace.ledger.kinds import kind, learn
from medspace.ledger.model import Entry
from medspace.ledger.service import record
from medspace.trust.jws import encode
from tests.unit.app.test_terms import Shop
from tests.unit.ledger import story
from tests.unit.ledger.story import COMPANY, NORTH

KIND = kind("consent.recorded", "asset")


@pytest.fixture
def learned(monkeypatch):
    monkeypatch.setattr(kinds, "_learned", {})
    learn([KIND])


@pytest.fixture
def files(learned, monkeypatch, tmp_path):
    """Exported logs of programs with a feature, read by a program without it."""
    monkeypatch.setattr(auditing, "read_list", story.read_list)
    monkeypatch.setattr(auditing, "_now", lambda: story.NOW)
    space = story.honest()
    for did in (NORTH, NORTH, COMPANY):
        space.note(did, KIND.name, asset="heart")
    kinds._learned.clear()
    for number, one in enumerate(space.bundles()):
        (tmp_path / f"{number}.json").write_bytes(bundle.render(one))
    return sorted(tmp_path.glob("*.json"))


@pytest.fixture
def said(capsys):
    def say(*words):
        with pytest.raises(SystemExit) as end:
            main(["audit", *map(str, words)])
        return int(end.value.code or 0), " ".join(capsys.readouterr().out.split())

    return say


def test_an_audit_says_that_the_program_is_older_or_lacks_a_feature(files, said):
    key = encode(story.AUTHORITY)
    status, told = said("verify", *files, "--authority-key", key)
    assert status == 4
    assert "does not know entries of the kind consent.recorded" in told
    assert "it is older than the program that wrote the log, or lacks a feature." in told
    status, told = said("verify", *files, "--authority-key", key, "--json")
    report = json.loads(told)
    assert (status, report["outcome"], report["failed"]) == (4, "unverifiable", 0)
    assert [found["code"] for found in report["findings"]] == ["log.entries.unknown_kind"] * 3


def test_a_lineage_says_how_many_entries_it_left_out(files, said):
    _, told = said("lineage", *files)
    assert told.startswith("Model sha256:")
    assert f"Left out: 2 entries in the log of {NORTH}, which this program cannot read." in told
    assert f"Left out: 1 entry in the log of {COMPANY}" in told
    _, told = said("lineage", *files, "--json")
    assert json.loads(told)["left_out"] == {COMPANY: 1, NORTH: 2}
    _, told = said("lineage", *files, "--lang", "zh")
    assert "未纳入" in told


def test_a_lineage_of_logs_that_are_read_whole_leaves_nothing_out(files, said, learned):
    learn([KIND])
    _, told = said("lineage", *files)
    assert "Left out" not in told
    _, told = said("lineage", *files, "--json")
    assert json.loads(told)["left_out"] == {}


async def test_ones_own_log_is_listed_with_an_entry_of_a_feature_that_is_gone(learned):
    shop = Shop()
    entry = Entry(KIND.name, story.stamp(story.BEGIN), shop.company.did, {"asset": "heart"})
    await shop.company.database.write(lambda tx: record(tx, entry))
    (known,) = await Proofs(shop.terms.node).entries(0, 10)
    kinds._learned.clear()
    (unknown,) = await Proofs(shop.terms.node).entries(0, 10)
    await shop.stop()
    assert (known["known"], known["facts"]) == (True, {"asset": "heart"})
    assert unknown == known | {"known": False, "facts": {}}
