"""Offers of a running connector: added, changed, withdrawn and put in force without a restart, over real HTTP."""

import json
import re

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.offers import editing
from medspace.app.main import main
from medspace.app.node.config import read_config
from tests.e2e.space import ASSET, DICTIONARY, hospital, staged, step, table

TRAIN = "medspace:train"


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("offers")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital())
        stage.add("user")
        stage.open()
        stage.admit()
        settled(stage)
        yield stage


def settled(stage):
    stage.run(stage.nodes["clinic"].connector.assets.tried())


def verb(*arguments):
    """The exit code of a verb."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    return end.value.code


def more(stage, name="more.csv", rows=None):
    file = stage.nodes["clinic"].folder / name
    file.write_text(table(9) if rows is None else rows)
    return file


def me(stage):
    """The pseudonym of who changes the offers of the clinic."""
    return stage.space("clinic").own_token()["actor"]


def catalogue(stage):
    return {one["id"]: one for one in stage.space("user").catalog(stage.nodes["clinic"].did)}


def test_a_second_file_is_offered_by_a_running_connector_and_still_after_a_restart(stage):
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    config.write_text(config.read_text().replace("[network]", "# Ours.\n[network]"))
    before = config.read_text()
    made = clinic.offer(more(stage), person="person", dataset="second", title="Second")
    assert (made["state"], made["offered"], made["in_force"]) == ("open", True, 0)
    assert config.read_text().startswith(before.rstrip("\n"))
    (asset,) = read_config(config).assets[1:]
    assert (asset.id, asset.offers[0].terms["count"], asset.offers[0].terms["min_sites"]) == ("second", 20, 3)
    assert set(catalogue(stage)) == {ASSET, "second"}
    assert stage.space("user").negotiate(stage.nodes["clinic"].did, "second")["agreement"]
    assert [one["agreements"] for one in clinic.offers()] == [0, 1]
    stage.close("clinic")
    stage.open("clinic")
    settled(stage)
    assert set(catalogue(stage)) == {ASSET, "second"}


@pytest.mark.parametrize(
    ("rows", "said", "code"),
    [
        (None, {"person": "person", "dataset": ASSET}, "offer.taken"),
        (None, {}, "setup.person"),
        (None, {"person": "person", "until": "2001-01-01"}, "setup.wish"),
        ("person,age\n1,2\n", {"person": "person"}, "setup.few"),
        (None, {"dictionary": "none.toml"}, "setup.wish"),
    ],
)
def test_what_cannot_be_offered_changes_nothing(stage, rows, said, code):
    folder, config = stage.nodes["clinic"].folder, stage.nodes["clinic"].file
    file, before, names = more(stage, rows=rows), config.read_bytes(), None
    names = sorted(one.name for one in folder.iterdir())
    with pytest.raises(SpaceError) as refused:
        stage.space("clinic").offer(file, **said)
    assert refused.value.code == code
    assert config.read_bytes() == before
    assert sorted(one.name for one in folder.iterdir()) == names
    assert set(catalogue(stage)) == {ASSET}


def test_where_the_file_cannot_be_written_the_old_one_stays_in_force(stage, monkeypatch):
    clinic, folder = stage.space("clinic"), stage.nodes["clinic"].folder

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(editing, "replace_owned", full)
        for ask in (lambda: clinic.withdraw_offer(ASSET), lambda: clinic.offer(more(stage), person="person")):
            with pytest.raises(SpaceError) as refused:
                ask()
            assert refused.value.code == "config.invalid"
    assert set(catalogue(stage)) == {ASSET}
    assert not (folder / "more.dictionary.toml").exists()
    (folder / "more.dictionary.toml").write_text("mine")
    with pytest.raises(SpaceError) as taken:
        clinic.offer(more(stage), person="person")
    assert "--dictionary" in taken.value.text.render(str)
    assert (folder / "more.dictionary.toml").read_text() == "mine"


def test_rows_that_do_not_keep_to_their_dictionary_are_not_offered_and_the_rest_goes_on(stage):
    folder, config = stage.nodes["clinic"].folder, stage.nodes["clinic"].file
    (folder / "other.toml").write_text(DICTIONARY.replace("maximum = 120", "maximum = 31"))
    before = config.read_bytes()
    with pytest.raises(SpaceError):
        stage.space("clinic").offer(more(stage), dictionary=str(folder / "other.toml"))
    assert config.read_bytes() == before
    mine = stage.space("user").request(stage.agree("user", "clinic"), TRAIN)["id"]
    assert stage.ask("user", "clinic", mine, step()).status_code == 200


def test_an_offer_is_changed_for_new_agreements_and_what_it_means_is_told_first(stage):
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    agreement = stage.agree("user", "clinic")
    before = config.read_bytes()
    told = clinic.change_offer(ASSET, dry=True, until="2029-01-01", count=7)
    assert any("1 agreement" in note for note in told["notes"])
    assert config.read_bytes() == before
    made = clinic.change_offer(ASSET, until="2029-01-01", count=7, questions=11)
    assert stage.entries("clinic", "offer.published")[-1]["facts"]["by"] == me(stage)
    limited = [entry["facts"] for entry in stage.entries("clinic", "questions.limited")]
    assert limited == [{"asset": ASSET, "questions": 11, "numbers": 1_000_000, "by": me(stage)}]
    terms = read_config(config).assets[0].offers[0].terms
    assert (terms["until"], terms["count"], terms["min_sites"]) == ("2029-01-02T00:00:00Z", 7, 1)
    assert any("11 questions" in note for note in made["notes"])
    (offer,) = catalogue(stage)[ASSET]["offers"]
    assert "7" in json.dumps(offer)
    (kept,) = clinic.agreements()
    assert (kept["id"], kept["in_force"], kept["allowed"]) == (agreement, True, None)
    for said, code in (({}, "offer.change"), ({"offer": 2, "count": 1}, "offer.unclear")):
        with pytest.raises(SpaceError) as refused:
            clinic.change_offer(ASSET, **said)
        assert refused.value.code == code
    with pytest.raises(SpaceError) as unknown:
        clinic.change_offer("none", count=1)
    assert unknown.value.code == "catalog.unknown"


def test_other_terms_read_no_content_again_and_a_reload_does(stage):
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    file = config.parent / read_config(config).assets[0].source
    rows = file.read_text()
    file.write_text("unreadable\n")
    assert clinic.change_offer(ASSET, count=7)["state"] == "open"
    clinic.withdraw_offer(ASSET)
    assert clinic.publish_offer(ASSET)["offered"]
    with pytest.raises(SpaceError) as refused:
        clinic.reload_offers()
    assert refused.value.code.startswith("table.")
    file.write_text(rows)
    clinic.reload_offers()


def test_a_withdrawn_offer_is_gone_for_new_agreements_stays_so_and_lets_the_others_go_on(stage):
    clinic, user = stage.space("clinic"), stage.space("user")
    mine = user.request(stage.agree("user", "clinic"), TRAIN)["id"]
    assert "1 agreement" in " ".join(clinic.withdraw_offer(ASSET, dry=True)["notes"])
    assert clinic.offers()[0]["offered"]
    assert clinic.withdraw_offer(ASSET)["withdrawn"]
    assert catalogue(stage) == {}
    with pytest.raises(SpaceError):
        user.negotiate(stage.nodes["clinic"].did, ASSET)
    assert stage.ask("user", "clinic", mine, step()).status_code == 200
    assert stage.entries("clinic", "offer.withdrawn")[-1]["facts"] == {"asset": ASSET, "by": me(stage)}
    stage.close("clinic")
    stage.open("clinic")
    settled(stage)
    assert catalogue(stage) == {}
    assert stage.ask("user", "clinic", mine, step("moments", 2)).status_code != 404
    assert stage.space("clinic").publish_offer(ASSET)["offered"]
    assert set(catalogue(stage)) == {ASSET}


def test_what_is_edited_by_hand_counts_after_a_reload_and_what_is_invalid_never(stage):
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    assert clinic.reload_offers()["changed"] == []
    text = config.read_text()
    config.write_text(text.replace('title = "Heart patients"', 'title = "Hearts"').replace('"DE"', '"FR"'))
    found = clinic.reload_offers()
    assert (found["changed"], found["needs_restart"]) == ([ASSET], ["participant"])
    assert catalogue(stage)[ASSET]["title"] == "Hearts"
    for broken in (text + "[[assets]]\n", text.replace("train-only", "no-such-template"), text + "x = 1\n"):
        config.write_text(broken)
        with pytest.raises(SpaceError):
            clinic.reload_offers()
        assert catalogue(stage)[ASSET]["title"] == "Hearts"
    config.write_text(text.partition("[[assets]]")[0])
    assert clinic.reload_offers()["removed"] == [ASSET]
    assert catalogue(stage) == {}


def test_a_reload_loosens_terms_only_where_that_is_confirmed(stage, capsys):
    """The attack: a file that somebody loosened, put in force by a script. The control: --loosen."""
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    clinic.change_offer(ASSET, count=20, min_sites=3)
    text = config.read_text()
    config.write_text(text.replace("min_sites = 3", "min_sites = 1").replace("count = 20", "count = 5"))
    assert verb("offers", "reload", "--config", str(config)) == 2
    told = capsys.readouterr()
    assert f"{ASSET}: hospitals in each sum: 3 -> 1" in told.out
    assert "--loosen" in told.err
    with pytest.raises(SpaceError) as refused:
        clinic.reload_offers()
    assert refused.value.code == "offer.loosens"
    seen = clinic.reload_offers(dry=True)["seen"]
    assert "at least 3 " in str(clinic.offers())
    config.write_text(text.replace("min_sites = 3", "min_sites = 2").replace("count = 20", "count = 5"))
    with pytest.raises(SpaceError) as refused:
        clinic.reload_offers(seen=seen)
    assert refused.value.code == "offer.moved"
    assert verb("offers", "reload", "--loosen", "--config", str(config)) == 0
    assert f"{ASSET}: uses under one agreement: 20 -> 5" in capsys.readouterr().out
    assert clinic.reload_offers()["terms"] == []


def test_the_same_table_is_not_offered_again_on_looser_terms_unseen(stage):
    """The attack: more questions about the same patients under another name. The control: with what was seen."""
    clinic, file = stage.space("clinic"), str(more(stage))
    said = {"person": "person", "questions": 5, "min_sites": 3, "count": 10}
    clinic.offer(file, dataset="first", **said)
    twice = {**said, "dataset": "second", "count": 20}
    for seen in ("", f"sha256:{'0' * 64}"):
        with pytest.raises(SpaceError) as refused:
            clinic.offer(file, **twice, seen=seen)
        assert refused.value.code == ("offer.moved" if seen else "offer.loosens")
    told = clinic.offer(file, **twice, dry=True)
    assert {(one["dataset"], one["term"]) for one in told["changes"]} == {("first", "count"), ("first", "questions")}
    assert "5 -> 10" in " ".join(one["sentence"] for one in told["changes"])
    with pytest.raises(SpaceError):
        clinic.offer(file, **{**twice, "count": 30}, seen=told["seen"])
    assert "second" not in catalogue(stage)
    assert clinic.offer(file, **twice, seen=told["seen"])["dataset"] == "second"


def test_the_verbs_say_what_they_do(stage, capsys):
    config = ("--config", str(stage.nodes["clinic"].file))
    file = more(stage)
    assert verb("offer", str(file), "--person", "person", "--json", *config) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["dataset"], made["at_next_start"]) == ("more", False)
    assert verb("offers", *config) == 0
    assert "more" in capsys.readouterr().out
    assert verb("offer", "change", "more", "--count", "3", *config) == 2
    assert verb("offer", "change", "more", "--count", "3", "--yes", *config) == 0
    assert verb("offer", "withdraw", "more", "--yes", *config) == 0
    assert verb("offer", "publish", "more", *config) == 0
    assert verb("offers", "reload", "--lang", "zh", *config) == 0
    stage.close("clinic")
    capsys.readouterr()
    again = ("offer", str(file), "--person", "person", "--id", "third", "--json", *config)
    assert verb(*again) == 2  # its patients would answer the questions of both
    capsys.readouterr()
    assert verb(*again, "--loosen") == 0
    assert json.loads(capsys.readouterr().out)["at_next_start"]
    assert verb("offer", str(file), "--person", "person", "--id", "third", *config) == 2
    stage.open("clinic")
    settled(stage)
    assert "third" in catalogue(stage)


def test_nobody_protects_patients_less_by_a_slip(stage, capsys):
    """The attack: `--yes`, as scripts say it, with a typo. The control: the same command, with `--loosen`."""
    clinic, config = stage.space("clinic"), ("--config", str(stage.nodes["clinic"].file))
    clinic.change_offer(ASSET, count=20, min_sites=3, questions=11)
    before = stage.nodes["clinic"].file.read_bytes()
    for option, value, told in (
        ("--min-sites", "1", "hospitals in each sum: 3 -> 1"),
        ("--questions", "100000", "questions a year, of all users: 11 -> 100000"),
        ("--count", "0", "uses under one agreement: 20 -> no limit"),
    ):
        typed = ("offer", "change", ASSET, option, value, "--yes", *config)
        assert verb(*typed) == 2
        shown = capsys.readouterr()
        assert told in shown.out
        assert "--loosen" in shown.err
        assert stage.nodes["clinic"].file.read_bytes() == before
    assert verb("offer", "change", ASSET, "--min-sites", "1", "--yes", "--loosen", *config) == 0
    assert read_config(stage.nodes["clinic"].file).assets[0].offers[0].terms["min_sites"] == 1
    clinic.change_offer(ASSET, min_sites=3)
    assert verb("offer", "change", ASSET, "--min-sites", "1", *config) == 2
    assert "--yes --loosen" in capsys.readouterr().err  # both at once
    assert verb("offer", "change", ASSET, "--min-sites", "1", "--loosen", *config) == 2
    assert "add --yes where" in capsys.readouterr().err


def test_a_small_step_that_was_confirmed_is_refused_once_it_is_a_large_one(stage):
    clinic = stage.space("clinic")
    clinic.change_offer(ASSET, count=20)
    clinic.change_offer(ASSET, count=18)
    seen = clinic.change_offer(ASSET, count=20, dry=True)["seen"]
    clinic.change_offer(ASSET, count=5)
    with pytest.raises(SpaceError) as refused:
        clinic.change_offer(ASSET, count=20, loosen=["count"], seen=seen)
    assert refused.value.code == "offer.moved"
    assert "5 -> 20" in str(refused.value)
    fresh = clinic.change_offer(ASSET, count=20, dry=True)["seen"]
    assert clinic.change_offer(ASSET, count=20, loosen=["count"], seen=fresh)["changes"]


def test_what_was_edited_by_hand_takes_effect_by_a_reload_only(stage):
    """The attack: terms of one dataset, loosened by hand, that go live with any change of another one."""
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    clinic.offer(more(stage), dataset="more", person="person", min_sites=3)
    clinic.change_offer(ASSET, count=20, min_sites=3)
    other = more(stage).with_name("other.csv")
    other.write_bytes(more(stage).read_bytes())
    head, found, tail = config.read_text().partition('id = "more"')
    for text in (
        head + found + tail.replace("min_sites = 3", "min_sites = 1"),
        head.replace("min_sites = 3", "min_sites = 1") + found + tail,
    ):
        config.write_text(text)
        for tried in (
            lambda: clinic.change_offer(ASSET, count=19),
            lambda: clinic.change_offer(ASSET, count=19, dry=True),
            lambda: clinic.withdraw_offer(ASSET),
            lambda: clinic.publish_offer(ASSET),
            lambda: clinic.offer(other, dataset="other", person="person"),
        ):
            with pytest.raises(SpaceError) as refused:
                tried()
            assert refused.value.code == "offer.edited"
            assert "medspace offers reload" in str(refused.value)
        assert config.read_text() == text
        assert "at least 3 " in str(clinic.offers())
        assert "at least 1 " not in str(clinic.offers())
    seen = clinic.reload_offers(dry=True)["seen"]  # the control: it is told, and confirmed
    assert [one["term"] for one in clinic.reload_offers(seen=seen)["terms"]] == ["min_sites"]
    assert clinic.change_offer(ASSET, count=19)["dataset"] == ASSET


def test_a_dictionary_that_was_edited_by_hand_is_not_published_along_with_a_change(stage):
    clinic, config = stage.space("clinic"), stage.nodes["clinic"].file
    clinic.offer(more(stage), dataset="more", person="person")
    dictionary = config.with_name("more.dictionary.toml")
    dictionary.write_text(
        re.sub("^title = .*", 'title = "Internal"', dictionary.read_text(), count=1, flags=re.MULTILINE)
    )
    with pytest.raises(SpaceError) as refused:
        clinic.withdraw_offer(ASSET)
    assert (refused.value.code, "more" in str(refused.value)) == ("offer.edited", True)
    clinic.reload_offers()
    assert clinic.withdraw_offer(ASSET)["withdrawn"]


def test_only_what_was_shown_is_loosened(stage):
    clinic = stage.space("clinic")
    clinic.change_offer(ASSET, count=20, min_sites=3, questions=11)
    with pytest.raises(SpaceError) as refused:
        clinic.change_offer(ASSET, min_sites=1, questions=12, loosen=["questions"])
    assert refused.value.code == "offer.loosens"
    told = clinic.change_offer(ASSET, min_sites=1, questions=12, dry=True)["changes"]
    assert {(one["term"], one["before"], one["after"], one["loosens"]) for one in told} == {
        ("min_sites", 3, 1, True), ("questions", 11, 12, True),
    }  # fmt: skip
    seen = clinic.change_offer(ASSET, min_sites=1, questions=12, dry=True)["seen"]
    made = clinic.change_offer(ASSET, min_sites=1, questions=12, loosen=["questions", "min_sites"], seen=seen)
    assert any("at least 1 " in line for line in made["offers"][0]["contract"])
