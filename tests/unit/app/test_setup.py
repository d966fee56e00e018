"""A new folder: what is written can be started from, and is never overwritten."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.memory import ManualClock
from medspace.app.compose.doctor import examine
from medspace.app.features.setup.folders import ConfiguredError
from medspace.app.features.setup.service import AuthorityUnknownError, WishError, Wishes, set_up
from medspace.app.node.config import read_config
from medspace.app.node.holdings import open_holdings
from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.trust.jws import encode
from tests.e2e.space import table
from tests.examples import most

NOW = ManualClock(datetime(2026, 11, 28, 15, tzinfo=UTC))
KEY = encode(bytes(32))


def test_a_first_participant_is_its_own_authority(tmp_path):
    told = set_up(tmp_path / "a", Wishes("A", 18_100))
    assert told["did"] == told["authority"] == "did:web:127.0.0.1%3A18100"
    assert told["authority_key"] == told["public_key"]
    assert told["to_review"] == []
    assert read_config(tmp_path / "a" / "medspace.toml").is_authority
    with pytest.raises(ConfiguredError) as refused:
        set_up(tmp_path / "a", Wishes("A", 18_100))
    assert "--config" not in str(refused.value.advice).replace("offer FILE --config", "")


def test_a_file_that_is_offered_comes_with_a_dictionary_to_review(tmp_path):
    (tmp_path / "hearts.csv").write_text(table(1))
    wishes = Wishes('"H" é', 18_100, "did:web:a.example", KEY, "DE", tmp_path / "hearts.csv", "person")
    told = set_up(tmp_path / "h", wishes)
    assert [name.rpartition("/")[2] for name in told["to_review"]] == ["hearts.dictionary.toml", "medspace.toml"]
    config = read_config(tmp_path / "h" / "medspace.toml")
    assert (config.participant.name, config.participant.region) == ('"H" é', "DE")
    assert (config.space.authority, config.space.authority_key) == ("did:web:a.example", KEY)
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


def offered(tmp_path, **more):
    (tmp_path / "hearts.csv").write_text(table(1))
    wishes = Wishes("H", 18_100, offer=tmp_path / "hearts.csv", **({"person": "person"} | more))
    set_up(tmp_path / "h", wishes, clock=NOW)
    return read_config(tmp_path / "h" / "medspace.toml")


def test_what_is_not_said_is_the_safe_thing(tmp_path):
    config = offered(tmp_path)
    (asset,) = config.assets
    (offer,) = asset.offers
    assert config.negotiations.answers == "manual"
    assert asset.questions == 6  # a tenth of sixty persons
    assert {name: offer.terms[name] for name in ("until", "count", "min_cohort", "min_sites")} == {
        "until": "2027-11-28T00:00:00Z", "count": 20, "min_cohort": 10, "min_sites": 3,
    }  # fmt: skip
    assert asset.label["valid_until"] == "2027-11-28T00:00:00Z"
    (holding,) = open_holdings(config)
    told = str(holding.dataset.offers)
    assert all(operand in told for operand in ("count", "dateTime", "medspace:minSites", "medspace:minCohort"))


def test_the_doctor_says_which_numbers_nobody_can_ask_about(tmp_path):
    (tmp_path / "h.csv").write_text("p,age\n" + "".join(f"p{n},{300 if n < 3 else n}\n" for n in range(60)))
    made = set_up(tmp_path / "h", Wishes("H", 18_100, offer=tmp_path / "h.csv", person="p"), clock=NOW)
    assert made["unbounded"] == ["age"]

    def said():
        return [c["sentence"] for c in examine(Path(made["config"]), "en")["checks"] if c["name"] == "ranges"]

    assert said() == ["Columns of h without a range, which nobody can ask about: age."]
    dictionary = Path(made["to_review"][0])
    dictionary.write_text(dictionary.read_text() + "maximum = 130\nmissing = [300]\n")
    assert said() == []


def test_a_column_of_persons_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    (tmp_path / "h.csv").write_text("mrn,age\n1,40\n")
    with pytest.raises(TableUnreadableError, match="it has no column patient, but these: mrn, age"):
        set_up(tmp_path / "h", Wishes("H", 18_100, offer=tmp_path / "h.csv", person="patient"), clock=NOW)
    assert not (tmp_path / "h").exists()
    (tmp_path / "h.csv").write_text(",".join(f"c{number}" for number in range(60)) + "\n")
    with pytest.raises(TableUnreadableError) as refused:
        set_up(tmp_path / "h", Wishes("H", 18_100, offer=tmp_path / "h.csv", person="patient"), clock=NOW)
    assert str(refused.value.facts["reason"]).endswith("c48, c49, …")


def test_what_is_said_is_written(tmp_path):
    config = offered(
        tmp_path, person="", rows_are_persons=True, until="2026-12-31", count=None, min_sites=1, questions=60,
        answers="automatic",
    )  # fmt: skip
    (asset,) = config.assets
    terms = asset.offers[0].terms
    assert (config.negotiations.answers, asset.questions) == ("automatic", 60)
    assert (terms["until"], terms["min_sites"], "count" in terms) == ("2027-01-01T00:00:00Z", 1, False)


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"until": "soon"}, "--until"),
        ({"until": "2026-11-27"}, "--until"),
        ({"until": "9999-12-31"}, "--until"),
        ({"count": 0}, "--count"),
        ({"min_sites": 0}, "--min-sites"),
        ({"questions": -5}, "--questions"),
        ({"port": 65_535}, "--port"),
        ({"port": 0}, "--port"),
        ({"name": "A\x7f"}, "--name"),
        ({"name": "A\x1b[2J"}, "--name"),
        ({"name": "A\nB"}, "--name"),
        ({"name": "A\u202eB"}, "--name"),
        ({"name": "\udc80"}, "--name"),
        ({"name": "A" * 300}, "--name"),
        ({"region": "D\x00E"}, "--region"),
        ({"authority": "did:web:\x07"}, "--authority"),
        ({"authority_key": "k\x85"}, "--authority-key"),
        ({"authority_key": "bogus"}, "--authority-key"),
        ({"authority_key": "not base64url"}, "--authority-key"),
        ({"person": "p\t"}, "--person"),
        ({"offer": Path("/tmp/a\x1bb.csv")}, "--offer"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, wrong, option):
    wishes = Wishes(**({"name": "A", "port": 18_100} | wrong))
    with pytest.raises(WishError) as refused:
        set_up(tmp_path / "a", wishes, clock=NOW)
    assert refused.value.facts["option"] == option
    assert not (tmp_path / "a").exists()


def test_a_folder_of_images_is_not_offered_yet_and_that_is_said(tmp_path):
    (tmp_path / "scans").mkdir()
    with pytest.raises(WishError, match="it is a folder") as refused:
        set_up(tmp_path / "x", Wishes("X", 8200, offer=tmp_path / "scans", person="patient"))
    assert refused.value.facts["option"] == "--offer"
    assert not (tmp_path / "x").exists()


ANY = st.text(st.characters(codec=None, exclude_categories=[]), max_size=20)
FILE_NAME = ANY.filter(lambda name: name not in ("", ".", "..") and not set(name) & {"/", "\0"})


@given(
    name=ANY,
    region=ANY,
    authority=st.one_of(st.just("did:web:a.example"), ANY),
    key=st.one_of(st.binary(min_size=32, max_size=32).map(encode), ANY.filter(bool)),
    file=FILE_NAME,
)
@settings(max_examples=most(60), deadline=None)
def test_every_text_that_is_accepted_comes_back_from_the_file(tmp_path_factory, name, region, authority, key, file):
    folder = tmp_path_factory.mktemp("any")
    offer = folder / file
    try:
        offer.write_text(table(1))
    except (OSError, UnicodeEncodeError):
        return
    wishes = Wishes(name, 18_100, authority, key, region, offer, "person")
    try:
        set_up(folder / "new folder", wishes, clock=NOW)
    except InvalidInputError:
        assert not (folder / "new folder").exists()
        return
    config = read_config(folder / "new folder" / "medspace.toml")
    assert (config.participant.name, config.participant.region) == (name, region)
    assert config.space.authority == (authority or config.did)
    assert config.space.authority_key == key
    (asset,) = config.assets
    assert (asset.source, asset.title) == (str(offer.resolve()), offer.stem)
    assert len(open_holdings(config)) == 1


COLUMN = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(columns=st.lists(COLUMN, min_size=1, max_size=4, unique=True))
@settings(max_examples=most(60), deadline=None)
def test_every_name_of_a_column_that_is_accepted_comes_back(tmp_path_factory, columns):
    folder = tmp_path_factory.mktemp("columns")
    lines = [["person", *columns]] + [[f"p{row}", *(str(30 + row) for _ in columns)] for row in range(20)]
    quoted = ((cell.replace('"', '""') for cell in line) for line in lines)
    (folder / "t.csv").write_text(
        "".join(",".join(f'"{cell}"' for cell in line) + "\n" for line in quoted), newline=""
    )
    try:
        set_up(folder / "h", Wishes("H", 18_100, offer=folder / "t.csv", person="person"), clock=NOW)
    except MedspaceError:
        return
    (holding,) = open_holdings(read_config(folder / "h" / "medspace.toml"))
    dictionary = holding.checked.dictionary
    named = {re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", name).strip() for name in columns}  # blanks around names are dropped
    named -= {""}  # a column without a name is said not to be read
    assert {column.name for column in dictionary.columns} | set(dictionary.left_out) == {"person", *named}


def test_the_holders_who_may_sit_beside_it_are_written_into_the_offer(tmp_path):
    partners = ("did:web:b.example", "did:web:c.example")
    assert offered(tmp_path, holders=partners).assets[0].offers[0].terms["holders"] == list(partners)
    (tmp_path / "alone").mkdir()
    assert "holders" not in offered(tmp_path / "alone").assets[0].offers[0].terms


@pytest.mark.parametrize("wrong", ["nobody", "did:web:b.example\n"])
def test_a_holder_that_is_no_did_is_refused(tmp_path, wrong):
    with pytest.raises(MedspaceError):
        offered(tmp_path, holders=(wrong,))
    assert not (tmp_path / "h").exists()
