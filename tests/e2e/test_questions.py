"""What a holder sees of the questions that its dataset was asked, over HTTP and offline."""

import json

import pytest

from medspace.app.compose.doctor import examine
from medspace.app.main import main
from tests.e2e.space import ASSET, DICTIONARY, PURPOSE, TASK, Holding, hospital, staged, step, table


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A clinic of sixty patients that was asked three times in two uses: released, withheld, released again."""
    with staged(tmp_path_factory.mktemp("asked")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(2))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agreement = stage.agree("user", "clinic")
        for number in range(2):
            stage.use = stage.space("user").request(stage.agreement, "medspace:train")["id"]
            task = TASK | {"l2": 1.0 + number}
            answer = stage.ask("user", "clinic", stage.use, step("moments", 1, task))
            assert answer.status_code == 200, answer.text
        yield stage


def test_how_many_questions_are_left_is_in_status_dry_run_and_doctor(asked):
    clinic = asked.space("clinic")
    (state,) = clinic.status()["questions"]
    assert (state["dataset"], state["limit"], state["used"], state["left"]) == (ASSET, 1000, 2, 998)
    assert clinic.try_policy(ASSET)["questions"] == state
    (given,) = clinic.status()["numbers"]
    assert (given["dataset"], given["limit"], given["cells"]) == (ASSET, 1_000_000, 60 * 4)
    assert (given["used"] > 0, given["left"]) == (True, given["limit"] - given["used"])
    assert clinic.try_policy(ASSET)["numbers"] == given
    checks = {check["name"]: check for check in examine(asked.nodes["clinic"].file, "en")["checks"]}
    assert f"{given['used']} of the 1000000 numbers" in checks["numbers"]["sentence"]
    assert "near repeats" not in checks  # another penalty is another fit of the same rows and columns
    assert "2 of the 1000 questions" in checks["questions"]["sentence"]
    assert checks["questions secret"]["ok"]
    assert checks["uses"]["sentence"] == "Something was released to 2 uses, under 1 agreement."


def test_a_dry_run_allows_nothing_once_the_questions_of_the_year_are_used_up(tmp_path):
    with staged(tmp_path) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(2))
        stage.add("user")
        stage.open()
        stage.admit()
        clinic, wish = stage.space("clinic"), {"purpose": PURPOSE, "place": "DE"}
        use = stage.space("user").request(stage.agree("user", "clinic"), "medspace:train")["id"]
        assert stage.ask("user", "clinic", use, step("moments", 1)).status_code == 200
        assert clinic.try_policy(ASSET, **wish)["verdict"] == "permit"
        clinic.change_offer(ASSET, questions=1)
        tried = clinic.try_policy(ASSET, **wish)
        assert (tried["verdict"], tried["code"], tried["questions"]["left"]) == ("deny", "use.questions", 0)
        assert "raise the limit" in " ".join(tried["remedies"])
        told = clinic.try_policy(ASSET, format="HttpData-PULL", **wish)
        assert "use.questions" not in {one["clause"] for one in told["premises"]}  # a download asks none


def test_the_uses_of_each_agreement_are_told(asked):
    (one,) = asked.space("clinic").agreements(role="provider")
    assert (one["id"], one["counterparty"]) == (asked.agreement, asked.nodes["user"].did)
    assert (one["dataset"], one["used"]) == (ASSET, 2)
    assert asked.space("user").agreements(role="provider") == []


def test_the_questions_are_shown_to_the_holder_only(asked):
    shown = asked.space("clinic").audit_questions(dataset=ASSET)
    assert shown["origin"] == asked.nodes["clinic"].did
    assert [(one["round"], one["step"], one["task"]["l2"]) for one in shown["questions"]] == [
        (1, "moments", 1.0), (1, "moments", 2.0),
    ]  # fmt: skip
    entries = asked.entries("clinic")
    assert all(entries[one["entry"]]["kind"] == "use.admitted" for one in shown["questions"])
    assert asked.space("user").audit_questions()["questions"] == []
    assert asked.space("clinic").audit_questions(use="urn:none")["questions"] == []


def test_a_question_that_nearly_repeats_one_is_a_warning_to_the_holder(tmp_path, capsys, caplog):
    with staged(tmp_path) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(2))
        stage.add("user")
        stage.open()
        stage.admit()
        agreement = stage.agree("user", "clinic")
        for features in (TASK["features"], TASK["features"][:2]):
            use = stage.space("user").request(agreement, "medspace:train")["id"]
            answer = stage.ask("user", "clinic", use, step("moments", 1, TASK | {"features": features}))
            assert answer.status_code == 200, answer.text  # a warning, and no refusal
        clinic = stage.space("clinic")
        (found,) = clinic.near_repeats()
        entries = stage.entries("clinic")
        first, second = (entries[found[name]] for name in ("earlier", "entry"))
        assert first["index"] < second["index"]
        assert first["facts"]["transfer"] != second["facts"]["transfer"]
        assert (found["dataset"], found["differs"]) == (ASSET, "the feature sex")
        assert clinic.near_repeats("another") == stage.space("user").near_repeats() == []
        assert "use.near_repeat" in caplog.text
        checks = {check["name"]: check for check in examine(stage.nodes["clinic"].file, "en")["checks"]}
        assert (checks["near repeats"]["ok"], "the feature sex" in checks["near repeats"]["sentence"]) == (True, True)
        with pytest.raises(SystemExit):
            main(["audit", "questions", str(tmp_path / "asked.json"), "--config", str(stage.nodes["clinic"].file)])
        assert "the feature sex" in " ".join(capsys.readouterr().out.split())


def test_the_secret_is_made_at_the_first_start_and_opens_nothing_to_others(asked):
    file = asked.nodes["clinic"].folder / "keys" / "questions.secret"
    assert file.stat().st_mode & 0o077 == 0
    secret = file.read_text().strip()
    kept = b"".join(one.read_bytes() for one in asked.nodes["clinic"].folder.glob("connector.db*"))
    assert secret.encode() not in kept
    assert secret not in json.dumps(asked.space("clinic").status())


HIDDEN = """
[columns.who]
type = "code"
"""


def test_a_misspelt_column_is_named_with_those_that_the_catalogue_shows(tmp_path):
    rows = table(2).splitlines()
    written = "\n".join([f"{rows[0]},who", *(f"{row},Name {at}" for at, row in enumerate(rows[1:]))])
    with staged(tmp_path) as stage:
        stage.add("authority", Holding(written + "\n", dictionary=DICTIONARY + HIDDEN))
        stage.add("user")
        stage.open()
        stage.admit()
        use = stage.space("user").request(stage.agree("user", "authority"), "medspace:train")["id"]
        answer = stage.ask("user", "authority", use, step(task=TASK | {"features": [{"name": "agee"}]}))
        assert (answer.status_code, answer.json()["code"]) == (400, "learning.column_unknown")
        (sentence, advice) = answer.json()["reason"][:2]
        assert sentence == "The data have no numeric column agee, but age, disease, sbp."
        assert "data dictionary" in advice
        coded = {"name": "seks", "kind": "coded", "levels": ["f", "m"]}
        other = stage.space("user").request(stage.space("user").agreements()[0]["id"], "medspace:train")["id"]
        told = stage.ask("user", "authority", other, step(task=TASK | {"features": [coded]})).text
        assert "but sex, disease." in told
        assert "who" not in told  # the holder's own dictionary has it, the catalogue does not
