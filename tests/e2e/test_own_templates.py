"""Templates of one's own: terms saved under a name, and offers made from them, by every door."""

import json

import httpx
import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from medspace.app.node.config import read_config
from tests.attacks.test_portal_scopes import comes_in
from tests.e2e.space import ASSET, hospital, staged, table
from tests.passkeys import Authenticator

OWN = {"purposes": ["dpv:AcademicResearch"], "regions": ["EU"], "roles": ["research-institute"], "delete_within": 30}
SAID = "You delete what was made with the data, models and cached parts, within 30 days of the end of each use."


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("templates")) as stage:
        stage.add("clinic", hospital(until="2029-06-30T00:00:00Z", **OWN))
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture
def saved(stage):
    return stage.space("clinic").save_template("cardio", title="Cardiology", dataset=ASSET)


def verb(capsys, stage, *arguments):
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--config", str(stage.nodes["clinic"].file), "--json"])
    return end.value.code, json.loads(capsys.readouterr().out or "{}")


def offer_of(stage, dataset):
    (asset,) = [one for one in read_config(stage.nodes["clinic"].file).assets if one.id == dataset]
    return asset


def test_the_terms_of_an_offer_are_saved_listed_and_removed(stage, saved, capsys, tmp_path):
    assert (saved["template"], saved["terms"]["delete_within"], SAID in saved["contract"]) == ("train-only", 30, True)
    file = tmp_path / "terms.toml"
    file.write_text('template = "train-only"\n[terms]\nuntil = 2029-01-01\nregions = ["DE"]\n')
    code, made = verb(capsys, stage, "terms", "save", "counts", "--file", str(file))
    assert (code, made["terms"]["until"]) == (0, "2029-01-01")
    file.write_text('template = "train-only"\n[terms]\nregions = ["FR"]\n')
    assert verb(capsys, stage, "terms", "save", "counts", "--file", str(file))[0] == 0  # in its place
    code, listed = verb(capsys, stage, "terms")
    assert [one["name"] for one in listed["templates"]] == ["cardio", "counts"]
    assert verb(capsys, stage, "terms", "show", "counts")[1]["terms"] == {"regions": ["FR"]}
    assert verb(capsys, stage, "terms", "remove", "counts", "--yes")[0] == 0
    assert verb(capsys, stage, "terms", "show", "counts")[0] == 2


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("train-only", {"terms": {}}, "template.invalid"),
        ("_up", {"terms": {}}, "template.invalid"),
        ("Upper", {"terms": {}}, "template.invalid"),
        ("x", {"terms": {}, "title": "a\u202eb"}, "template.invalid"),
        ("x", {"terms": {"until": "soon"}}, "policy.terms_invalid"),
        ("x", {"terms": {"duties": ["anonymize"]}}, "policy.terms_invalid"),
        ("x", {"terms": {"whatever": 1}}, "policy.terms_invalid"),
        ("x", {"template": "download", "terms": {}}, None),
        ("x", {"template": "none", "terms": {}}, "policy.template_unknown"),
        ("x", {"dataset": "none"}, "catalog.unknown"),
        ("x", {"dataset": ASSET, "offer": 2}, "offer.unclear"),
    ],
)
def test_what_could_not_be_offered_is_not_saved(stage, name, said, code):
    space = stage.space("clinic")
    with pytest.raises(SpaceError) as refused:
        space.save_template(name, **said)
    assert code is None or refused.value.code == code
    assert "x" not in [one["name"] for one in space.own_templates()]


def test_a_file_is_offered_on_them_and_a_change_of_the_template_changes_no_offer(stage, saved, capsys):
    file = stage.nodes["clinic"].folder / "second.csv"
    file.write_text(table(9))
    arguments = ("offer", "add", str(file), "--person", "person", "--id", "second", "--terms", "cardio", "--yes")
    assert verb(capsys, stage, *arguments)[0] == 2  # a template without a bound of uses: that needs a word
    code, made = verb(capsys, stage, *arguments, "--loosen", "--until", "2028-01-31")
    assert (code, SAID in made["offers"][0]["contract"]) == (0, True)
    asset = offer_of(stage, "second")
    assert (asset.offers[0].terms["roles"], asset.label["purposes"]) == (["research-institute"], OWN["purposes"])
    assert asset.offers[0].terms["until"].startswith("2028-02-01")
    stage.space("clinic").save_template("cardio", terms={"regions": ["DE"]})
    assert offer_of(stage, "second") == asset


def test_the_terms_of_an_offer_are_replaced_by_them_once_it_was_seen(stage, capsys):
    space = stage.space("clinic")
    space.save_template("strict", terms=OWN | {"count": 3, "until": "2028-01-31"})
    before = space.change_offer(ASSET, dry=True, terms="strict")
    assert {one["term"] for one in before["changes"]} >= {"count", "until"}
    assert verb(capsys, stage, "offer", "change", ASSET, "--terms", "strict", "--yes", "--loosen")[0] == 0
    assert offer_of(stage, ASSET).offers[0].terms["count"] == 3
    with pytest.raises(SpaceError) as unknown:
        space.change_offer(ASSET, dry=True, terms="none")
    assert unknown.value.code == "template.own_unknown"


@pytest.fixture
def owner(stage):
    space = stage.space("clinic")
    account = space.new_account("Dr Li", ["owner"])["id"]
    with httpx.Client(base_url=stage.nodes["clinic"].private_url) as client:
        origin = stage.nodes["clinic"].connector.of("accounts").origin
        key = Authenticator(origin=origin, host="localhost")
        yield comes_in(stage, client, space.account_link(account)["text"], key)


def test_the_portal_saves_them_and_its_offers_begin_with_them(stage, owner):
    space = stage.space("clinic")
    space.save_template("wide", title="For academia", terms=OWN | {"count": 7})
    assert "For academia" in owner.ask("GET", "/portal/offers/terms").text
    answer = owner.send(f"/portal/offers/terms/save/{ASSET}", name="kept", title="As offered", offer="1")
    assert (answer.status_code, space.own_template("kept")["title"]) == (303, "As offered")
    answer = owner.send(f"/portal/offers/terms/save/{ASSET}", name="Not a name", title="", offer="1")
    assert (answer.status_code, "template.invalid" in answer.text) == (400, True)
    draft = space._send("POST", "/offer-drafts?name=third.csv", content=table(5).encode())["id"]
    space._post(f"/offer-drafts/{draft}/columns", {"person": "person", "ready": True})
    page = f"/portal/offers/draft/{draft}"
    assert "For academia" in owner.ask("GET", f"{page}/terms").text
    assert owner.send(f"{page}/template", name="wide").status_code == 303
    shown = owner.ask("GET", f"{page}/terms").text
    assert 'value="dpv:AcademicResearch" id="purposes-dpv:AcademicResearch" checked' in shown
    assert "delete_within, roles" in shown or "roles, delete_within" in shown
    told = space._get(f"/offer-drafts/{draft}/terms")["terms"]
    assert (told["count"], told["purposes"], told["more"]["roles"]) == (7, OWN["purposes"], OWN["roles"])
    names = ("dataset", "title", "template", "purposes", "regions", "until")
    answer = owner.send(f"{page}/terms", **{key: told[key] for key in names}, count="5", where="some")
    assert (answer.status_code, answer.headers["location"].endswith("/contract")) == (303, True)
    assert SAID in owner.ask("GET", f"{page}/contract").text
    seen = space._get(f"/offer-drafts/{draft}/foreseen")["seen"]
    made = space._post(f"/offer-drafts/{draft}/publish", {"seen": seen})
    terms = offer_of(stage, made["dataset"]).offers[0].terms
    assert (terms["count"], terms["delete_within"], terms["roles"]) == (5, 30, OWN["roles"])
    assert owner.send("/portal/offers/terms/remove", name="kept").status_code == 303
    assert "kept" not in [one["name"] for one in space.own_templates()]
