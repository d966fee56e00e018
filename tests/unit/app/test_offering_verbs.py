"""`medspace init` and `medspace offer` on the command line: what they take of a table, ask, show, and leave alone."""

import json
import shlex
import socket
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from medspace.adapters.duckdb.errors import TableFormError
from medspace.adapters.duckdb.settings import OptionError
from medspace.app.features.setup.folders import ConfiguredError
from medspace.app.main import main
from medspace.app.node.config import read_config
from medspace.app.node.offering.origins import OriginInvalidError, PasswordShownError, name_of, origin, title_of
from medspace.app.node.offering.wishes import FewPersonsError, WishError
from medspace.app.verbs import tree
from medspace.core.errors import InvalidInputError
from tests.ports import claim

WORDS = ("Männer", "Frauen")


def typed(*words):
    done = CliRunner().invoke(tree(), [str(word) for word in words], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.fixture
def file(tmp_path):
    rows = "".join(f"p{n};{30 + n % 40},5;{WORDS[n % 2]};0\n" for n in range(80))
    made = tmp_path / "my table.csv"
    made.write_text(f"patient;age;sex;chol\n{rows};;;\nSumme;;;\n", encoding="latin-1")
    return made


@pytest.fixture
def config(tmp_path):
    typed("init", tmp_path / "h", "--port", claim(1)[0], "--json")
    return tmp_path / "h" / "medspace.toml"


SAID = ("--person", "patient", "--leave-out-rows", "empty,total", "--set", "age.unit=a")


def test_offer_takes_what_its_advice_names(file, config):
    told = json.loads(typed("offer", file, "--config", config, *SAID, "--json"))
    (asset,) = read_config(config).assets
    assert (asset.csv.encoding, asset.csv.delimiter, asset.csv.leave_out_rows) == (
        "windows-1252",
        ";",
        ("empty", "total"),
    )
    assert asset.id == told["dataset"] == "my-table"
    assert all(isinstance(one["sentence"], str) and "{" not in one["sentence"] for one in told["findings"])
    (zeros,) = [one for one in told["findings"] if one["kind"] == "zeros"]
    assert (zeros["column"], zeros["sentence"]) == (
        "chol", "every value is 0: does 0 mean that it was not measured?",
    )  # fmt: skip
    assert told["questions"] == 8


def test_the_text_says_what_the_json_says(file, config):
    told = json.loads(typed("offer", file, "--config", config, *SAID, "--dry-run", "--json"))
    text = typed("offer", file, "--config", config, *SAID, "--dry-run", "--lang", "en")
    for one in told["findings"]:
        assert one["sentence"] in text
        assert (one["next_step"] or "") in text
    assert f"{told['questions']} questions a year" in text
    for sentence in told["offers"][0]["contract"]:
        assert sentence in text


def test_a_dry_run_shows_what_would_be_published_and_writes_nothing(file, config):
    before = {path: path.read_bytes() for path in config.parent.rglob("*") if path.is_file()}
    told = json.loads(typed("offer", file, "--config", config, *SAID, "--dry-run", "--json"))
    columns = {one["name"]: one for one in told["published"]["columns"]}
    assert columns["age"]["unit"] == "a"
    assert set(columns["sex"]["codes"]) == set(WORDS)
    assert (told["dry"], told["to_review"]) == (True, [])
    assert {path: path.read_bytes() for path in config.parent.rglob("*") if path.is_file()} == before
    text = typed("offer", file, "--config", config, *SAID, "--dry-run", "--lang", "en")
    assert "Everybody would see this of my-table" in text
    assert "nothing was written" in text


def test_with_a_dictionary_the_form_of_the_file_is_found_too(file, config, tmp_path):
    typed("draft", file, *SAID, "--save", tmp_path / "d.toml", "--json")
    rows = ("--leave-out-rows", "empty,total")
    typed("offer", file, "--config", config, "--dictionary", tmp_path / "d.toml", *rows, "--json")
    (asset,) = read_config(config).assets
    assert (asset.csv.encoding, asset.csv.delimiter) == ("windows-1252", ";")
    copy = config.parent / asset.dictionary
    assert (copy.name, copy.read_text()) == ("my-table.dictionary.toml", (tmp_path / "d.toml").read_text())
    with pytest.raises(WishError, match="--set"):
        typed("offer", file, "--id", "b", "--config", config, "--dictionary", tmp_path / "d.toml", *SAID)


def test_what_a_dictionary_says_may_be_said_again_and_nothing_else(file, config, tmp_path):
    typed("draft", file, *SAID, "--leave-out", "sex", "--save", tmp_path / "d.toml", "--json")
    given = (
        "offer",
        file,
        "--config",
        config,
        "--dictionary",
        tmp_path / "d.toml",
        "--leave-out-rows",
        "empty,total",
    )
    for said in (("--person", "age"), ("--leave-out", "chol"), ("--rows-are-persons",), ("--set", "age.unit=a")):
        with pytest.raises(WishError, match=said[0]):
            typed(*given, *said)
    assert json.loads(typed(*given, "--person", "patient", "--leave-out", "sex", "--json"))["dataset"] == "my-table"
    assert read_config(config).assets[0].dictionary == "my-table.dictionary.toml"


@pytest.mark.parametrize("content", [None, b"\xff", b"title = 3", b"#" * (1 << 20) + b"#"])
def test_a_dictionary_that_is_none_is_refused(file, config, tmp_path, content):
    if content is not None:
        (tmp_path / "d.toml").write_bytes(content)
    before = config.read_text()
    for verb in (("offer", file, "--config", config), ("init", tmp_path / "new", "--offer", file)):
        with pytest.raises(InvalidInputError):
            typed(*verb, "--dictionary", tmp_path / "d.toml")
    assert config.read_text() == before
    assert not (tmp_path / "new").exists()


def test_a_dictionary_in_the_connectors_folder_is_not_copied(file, config):
    typed("draft", file, *SAID, "--save", config.parent / "own.toml", "--json")
    rows = ("--leave-out-rows", "empty,total")
    typed("offer", file, "--config", config, "--dictionary", config.parent / "own.toml", *rows, "--json")
    assert read_config(config).assets[0].dictionary == "own.toml"
    assert not (config.parent / "my-table.dictionary.toml").exists()


def test_init_takes_a_dictionary_into_its_folder(file, tmp_path):
    drafted = typed("draft", file, *SAID, "--save", tmp_path / "d.toml", "--lang", "en")
    (command,) = [line for line in drafted.splitlines() if line.startswith("Next: ")]
    words = shlex.split(command.removeprefix("Next: medspace "))
    assert words[words.index("--dictionary") + 1] == str(tmp_path / "d.toml")
    assert not {"--person", "--set"} & set(words)
    told = json.loads(typed(*(tmp_path / "new" if word == "FOLDER" else word for word in words), "--json"))
    assert (told["rows"], told["persons"], told["to_review"]) == (80, 80, [])
    (asset,) = read_config(tmp_path / "new" / "medspace.toml").assets
    assert (tmp_path / "new" / asset.dictionary).read_text() == (tmp_path / "d.toml").read_text()


def test_init_with_a_dictionary_refuses_few_persons(tmp_path):
    (tmp_path / "t.csv").write_text("patient,age\n" + "".join(f"p{n},{40 + n}\n" for n in range(5)))
    (tmp_path / "d.toml").write_text(
        'title = "t"\nperson = "patient"\n[columns.patient]\ntype = "code"\n[columns.age]\ntype = "integer"\n'
    )
    with pytest.raises(FewPersonsError):
        typed("init", tmp_path / "new", "--offer", tmp_path / "t.csv", "--dictionary", tmp_path / "d.toml")
    assert not (tmp_path / "new").exists()


def test_what_init_advises_can_be_done_where_it_is_said(file, tmp_path):
    told = json.loads(typed("init", tmp_path / "new", "--offer", file, *SAID[:4], "--json"))
    steps = [one["next_step"] or "" for one in told["findings"]]
    assert not any("--" in step for step in steps)
    assert any('below [columns."age"]: unit = "UNIT"' in step for step in steps)
    before = json.loads(typed("draft", file, *SAID[:4], "--json"))
    assert "--set age.unit=UNIT" in [one["next_step"] for one in before["findings"]]


def test_init_says_that_its_ports_are_taken(tmp_path):
    port = claim(2)[0]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + 1))
        other.listen()
        told = typed("init", tmp_path / "a", "--port", port, "--lang", "en")
    assert f"Port {port + 1} is in use now" in told
    assert "in use" not in typed("init", tmp_path / "b", "--port", port, "--lang", "en")


@pytest.mark.parametrize(
    ("region", "said"), [("Europe", "EU"), ("中国", "CN"), ("Atlantis", "ISO 3166-1"), ("World", "ISO 3166-1")]
)
def test_a_region_that_terms_cannot_name_is_refused_with_a_hint(tmp_path, region, said):
    with pytest.raises(WishError, match=said):
        typed("init", tmp_path / "a", "--region", region)
    assert not (tmp_path / "a").exists()


def test_a_region_is_written_as_its_code(tmp_path):
    typed("init", tmp_path / "a", "--region", "de", "--port", claim(2)[0])
    assert read_config(tmp_path / "a").participant.region == "DE"


def no_questions(monkeypatch):
    """A terminal at which nothing may be asked."""
    terminal = SimpleNamespace(isatty=lambda: True, write=len, flush=lambda: None)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    for name in ("prompt", "confirm"):
        monkeypatch.setattr(typer, name, lambda *said, **_: pytest.fail(f"asked: {said}"))


def test_init_reads_the_file_before_it_asks(tmp_path, monkeypatch):
    from medspace.app.features.setup.verbs import init  # noqa: PLC0415 - its options are made there

    (tmp_path / "t.csv").write_bytes(b"%PDF-1.7")
    with monkeypatch.context() as patched:
        no_questions(patched)
        with pytest.raises(TableFormError):
            init(**options(init), folder=tmp_path / "h", offer=str(tmp_path / "t.csv"))
    assert not (tmp_path / "h").exists()


def test_init_says_at_once_that_there_is_a_configuration(config, file, monkeypatch):
    from medspace.app.features.setup.verbs import init  # noqa: PLC0415 - as above

    with monkeypatch.context() as patched:
        no_questions(patched)
        with pytest.raises(ConfiguredError):
            init(**options(init), folder=config.parent, offer=str(file))


def options(verb):
    """The options of a verb as they are where nothing is said."""
    return {
        one.name: one.default for one in verb.__signature__.parameters.values() if one.name not in ("folder", "offer")
    }


@pytest.mark.parametrize("said", [("--table", "t"), ("--set", "a=code"), ("--min-cohort", "20"), ("--person", "p")])
def test_what_is_said_of_a_file_needs_one(tmp_path, said):
    with pytest.raises(WishError, match=said[0]):
        typed("init", tmp_path / "h", *said)


def test_the_three_verbs_take_the_same_of_a_table():
    from medspace.app.features.drafting.verbs import draft  # noqa: PLC0415 - as above
    from medspace.app.features.offers.verbs import add  # noqa: PLC0415
    from medspace.app.features.setup.verbs import init  # noqa: PLC0415

    shared = set(options(draft)) - {"file", "save", "findings", "json", "lang"}
    assert shared <= set(options(init)) & set(options(add))
    assert {"person", "table", "settings", "leave_out_rows", "names", "encoding", "password_file"} <= shared


@pytest.mark.parametrize(
    "address", ["postgresql://a:secret@h/db", "postgresql://h/db?user=a&password=secret", "postgresql://a:@h/db"]
)
def test_a_password_in_an_address_is_refused(address):
    with pytest.raises(PasswordShownError) as refused:
        origin(address)
    assert "secret" not in str(refused.value)


def test_a_path_that_no_file_has_is_refused():
    with pytest.raises(OriginInvalidError, match="NUL"):
        origin("/srv/rows\0.csv")


def test_an_address_is_called_by_its_table(tmp_path, monkeypatch):
    address = "postgresql://reader@db.clinic.example/clinic"
    assert origin(address) == address
    assert (name_of(address, "clinic.labs"), title_of(address, "clinic.labs")) == ("clinic.labs", "labs")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "postgresql:x").touch()
    assert origin("postgresql:x").name == "postgresql:x"


def test_a_server_cannot_be_told_how_a_text_file_is_written(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(OptionError, match="only a text file"):
        typed("draft", "postgresql://a@h/db", "--table", "t", "--rows-are-persons", "--encoding", "utf-8")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (("--min-sites", "1"), "hospitals in each sum: 3 -> 1"),
        (("--count", "0"), "uses under one agreement: 20 -> no limit"),
        (("--count", "500"), "uses under one agreement: 20 -> 500"),
        (("--questions", "999"), "questions a year, of all users: "),
    ],
)
def test_looser_terms_than_usual_are_confirmed_apart(file, config, said, told, capsys):
    before = config.read_bytes()
    offered = ["offer", str(file), "--config", str(config), *SAID, *said, "--lang", "en"]
    for options in ([], ["--yes"]):
        with pytest.raises(SystemExit) as refused:
            main([*offered, *options])
        shown = capsys.readouterr()
        assert (refused.value.code, told in shown.out, "--loosen" in shown.err) == (2, True, True)
    assert config.read_bytes() == before
    with pytest.raises(SystemExit) as done:
        main([*offered, "--yes", "--loosen"])
    assert done.value.code == 0
    assert len(read_config(config).assets) == 1


def test_tighter_terms_need_nobodys_word(file, config):
    told = json.loads(typed("offer", file, "--config", config, *SAID, "--min-sites", "5", "--count", "3", "--json"))
    assert "at least 5 data holders" in " ".join(told["offers"][0]["contract"])


def test_what_the_catalogue_would_say_of_the_content_is_shown_before_it_is_offered(file, config):
    said = ("offer", file, "--config", config, *SAID, "--json")
    assert json.loads(typed(*said, "--dry-run"))["figures"]["persons"] is None
    both = json.loads(typed(*said, "--dry-run", "--publish", "missing", "--publish", "size"))["figures"]
    assert both == {
        "persons": 50,
        "persons_step": 50,
        "missing": dict.fromkeys(("age", "sex", "chol"), 0),
        "missing_step": 50,
        "reached": {},
    }
    shown = typed("offer", file, "--config", config, *SAID, "--dry-run", "--publish", "size")
    assert "About 50 patients, in steps of 50." in shown
    typed(*said, "--publish", "missing", "--publish", "size")
    (asset,) = read_config(config).assets
    assert asset.publish == ("size", "missing")
