"""`medspace init` at a terminal: it asks the few things that matter, and each again until the answer can be used."""

import json
import socket
import sys
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from medspace.adapters.duckdb.drafting import DraftOptions
from medspace.app.doors.cli.file_asking import answered
from medspace.app.doors.cli.screen import Screen
from medspace.app.features.setup.asking import OfferOptions, ask
from medspace.app.features.setup.service import AuthorityUnknownError, WishError, Wishes, set_up
from medspace.app.node.config import read_config
from medspace.app.node.offering.wishes import COUNT, FewPersonsError
from medspace.app.verbs import tree
from medspace.trust.jws import encode
from tests.ports import claim

SCREEN = Screen(as_json=False, language="en")
KEY = encode(bytes(32))
CONNECTOR = ("name", "region", "port", "authority", "offer")


class Person:
    """Somebody at a terminal who gives these answers in turn; Enter takes what is proposed."""

    def __init__(self, monkeypatch, answers, confirms=()):
        self.read, self.asked = [], []
        terminal = SimpleNamespace(isatty=lambda: True, write=self.read.append, flush=lambda: None)
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(typer, "prompt", self.prompt)
        monkeypatch.setattr(typer, "confirm", self.confirm)
        self.answers, self.confirms = list(answers), list(confirms)

    def prompt(self, question, default=None, **_):
        self.asked.append((question, default))
        said = self.answers.pop(0)
        return default if said == "" else said

    def confirm(self, question, default):
        self.asked.append((question, default))
        said = self.confirms.pop(0)
        return default if said is None else said

    @property
    def done(self):
        return not self.answers and not self.confirms


@pytest.fixture
def person(monkeypatch):
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    with monkeypatch.context() as patched:
        yield lambda *answers, confirms=(): Person(patched, answers, confirms)


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "t.csv"
    rows = "".join(f"{100 + n % 40 * 3},{30 + n % 40},{n % 2},0\n" for n in range(80))
    made.write_text(f"patient_id,age,sex,chol\n{rows}")
    return made


def test_what_matters_is_asked_with_good_answers_proposed(person, tmp_path):
    (port, _) = claim(2)
    somebody = person("", "", "", "", "")
    wishes = ask(SCREEN, Wishes("klinik", port), OfferOptions("", None, None, None, ""))
    assert somebody.done
    assert [default for _, default in somebody.asked] == ["klinik", "DE", str(port), "", ""]
    assert wishes == Wishes("klinik", port, region="DE")
    made = set_up(tmp_path / "h", wishes)
    assert made["did"] == made["authority"]


def test_each_answer_is_asked_for_again_until_it_can_be_used(person, file):
    (port, _) = claim(2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + 1))
        other.listen()
        free = claim(2)[0]
        somebody = person(
            "A\x7f", "Klinik", "Europe", "AT", "many", "70000", str(port), str(free), "nobody",
            "did:web:127.0.0.1%3A9", "", "did:web:127.0.0.1%3A9", "bogus", KEY, "none.csv", str(file.parent), "",
        )  # fmt: skip
        wishes = ask(SCREEN, Wishes("klinik", port), OfferOptions("", None, None, None, ""))
    assert somebody.done
    assert wishes == Wishes("Klinik", free, "did:web:127.0.0.1%3A9", KEY, "AT")
    shown = "".join(somebody.read)
    for said in ("write it as a code: EU", "another program listens", "no such file", "32 bytes", "it is a folder"):
        assert said in shown


def test_what_an_option_said_is_not_asked(person, file):
    wishes = Wishes("klinik", 8100, "did:web:a.example", KEY, "DE", file, "patient_id", dictionary=file)
    somebody = person(confirms=())
    made = ask(SCREEN, wishes, OfferOptions("2099-01-01", 5, 2, 9, "automatic"), CONNECTOR)
    assert somebody.asked == []
    assert (made.until, made.count, made.min_sites, made.questions, made.answers) == (
        "2099-01-01", 5, 2, 9, "automatic",
    )  # fmt: skip


def test_who_wants_to_be_asked_nothing_gets_the_safe_answers(person, tmp_path):
    somebody = person()
    wishes = ask(SCREEN, Wishes("klinik", 8100), OfferOptions("", None, None, None, ""), yes=True)
    assert somebody.asked == []
    assert wishes == Wishes("klinik", 8100)
    done = CliRunner().invoke(tree(), ["init", str(tmp_path / "h"), "--yes", "--json"], standalone_mode=False)
    assert json.loads(done.output)["config"] == str(tmp_path / "h" / "medspace.toml")
    assert read_config(tmp_path / "h").participant.region == ""


def test_an_authority_of_an_option_that_shows_no_key_is_refused_before_anything_is_asked(person):
    somebody = person()
    with pytest.raises(AuthorityUnknownError):
        ask(SCREEN, Wishes("klinik", 8100, "did:web:127.0.0.1%3A9"), OfferOptions("", None, None, None, ""))
    assert somebody.asked == []


def test_a_table_and_its_terms_are_asked_one_by_one(person, file):
    somebody = person(
        str(file),  # which table
        "nobody", "time", "age", "patient_id",  # who the patients are: no columns, then another one than the id
        "Jahren", "years",  # in which unit
        "tomorrow", "", "often", "-1", "0", "0", "4",  # until when, how often, how many hospitals
        confirms=[False, None, None],  # age is not the id; 0 is a value; a person answers
    )  # fmt: skip
    wishes = ask(SCREEN, Wishes("k", 8100), OfferOptions("", None, None, None, ""), CONNECTOR[:-1])
    assert somebody.done
    assert wishes.draft == DraftOptions("patient_id", settings=("age.unit=a", "chol.missing="))
    assert (wishes.until, wishes.count, wishes.min_sites, wishes.answers) == ("", None, 4, "manual")
    assert ("Is it age all the same?", False) in somebody.asked
    shown = "".join(somebody.read)
    for said in ("no column nobody", "no column time", "Jahren is no unit", "not a whole number", "not between"):
        assert said in shown
    proposed = [default for question, default in somebody.asked if question.startswith("How")]
    assert set(proposed) == {str(COUNT), "3"}
    (sure,) = {default for question, default in somebody.asked if "Every value of chol is 0" in question}
    assert sure is False


def test_another_column_than_the_id_may_be_right(person, file):
    somebody = person("", confirms=[True, None])
    drafted, options = answered(SCREEN, file, DraftOptions("sex", settings=("age.unit=a",)))
    assert (drafted.person, options.leave_out) == ("sex", ("patient_id",))
    assert somebody.asked[0] == ("Is it sex all the same?", False)


def test_a_table_of_few_persons_is_refused_before_its_terms_are_asked(person, file):
    somebody = person()
    said = DraftOptions("patient_id", settings=("age.unit=a", "chol.missing="))
    wishes = Wishes("k", 8100, offer=file, person="patient_id", min_cohort=60, draft=said)
    with pytest.raises(FewPersonsError):
        ask(SCREEN, wishes, OfferOptions("", None, None, None, ""), CONNECTOR)
    assert somebody.asked == []


def test_a_column_left_out_that_is_not_there_is_not_asked_about(person, file):
    person()
    with pytest.raises(Exception, match="no column x"):
        answered(SCREEN, file, DraftOptions("patient_id", leave_out=("x",)))


@pytest.mark.parametrize(
    ("answers", "settings"),
    [
        (["DD/MM/YYYY", ""], ()),
        (["31.12.26", "DD-MON-YY", "soon", "1700", "1930"], ("seen.written=DD-MON-YY", "seen.century=1930")),
    ],
)
def test_how_days_are_written_is_asked_until_it_can_be(person, tmp_path, answers, settings):
    file = tmp_path / "t.csv"
    file.write_text("patient_id,seen\n" + "".join(f"p{n},31-Jan-2{n % 4}\n" for n in range(40)))
    somebody = person(*(answers if settings else answers[1:]))
    _, options = answered(SCREEN, file, DraftOptions("patient_id"))
    assert somebody.done
    assert options.settings == settings


def test_what_becomes_of_a_wrong_cell_is_one_of_a_few_answers(person, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("patient_id,x\n" + "".join(f"p{n},{'hoch' if n == 17 else n % 5}\n" for n in range(60)))
    somebody = person("what?", "rows")
    _, options = answered(SCREEN, file, DraftOptions("patient_id"))
    assert options.leave_out_rows == ("19",)
    assert "none of column, rows, missing" in "".join(somebody.read)


def test_no_unit_is_proposed_that_would_be_refused(person, tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("patient_id,x (see note)\n" + "".join(f"p{n},{n / 7}\n" for n in range(60)))
    somebody = person("")
    answered(SCREEN, file, DraftOptions("patient_id"))
    assert [default for _, default in somebody.asked] == [""]


def test_a_dictionary_without_a_table_is_refused(tmp_path):
    wishes = Wishes("k", 8100, dictionary=tmp_path / "d.toml")
    with pytest.raises(WishError, match="--dictionary"):
        ask(SCREEN, wishes, OfferOptions("", None, None, None, ""))
