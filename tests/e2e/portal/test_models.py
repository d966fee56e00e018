"""Models of each kind in a real browser: chosen in the form, trained under masks, shown with whom they suit."""

import json
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.portal.keys import confirm
from tests.e2e.space import DICTIONARY, HOSPITALS, MASKED, PURPOSE, Holding, staged, table

TERMS = {"min_sites": 3, "protection": None}
DEMANDS = {"gate_groups": ["sex"], "gate_auc": 0.6}
EVIL, CODE = "<img src=x onerror=alert(1)>", "<b onclick=x>m"  # what a hospital is called, and one of its codes
SEX = {"name": "sex", "kind": "coded", "levels": ["f", CODE]}
JUDGE = {"groups": ["sex", {"column": "age", "bands": [55]}], "thresholds": [0.5], "least": 11}
WORDS = DICTIONARY.replace('m = "male"', f'"{CODE}" = "{EVIL}"')
JUDGED = MASKED | {"judge": JUDGE, "features": [*MASKED["features"][:2], SEX]}
LOOKS = [("en-GB", "light"), ("zh-CN", "dark")]


def patients(seed):
    return table(seed, 150).replace(",m,", f",{CODE},")


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Four hospitals under masks, and one more that holds models to something."""
    with staged(tmp_path_factory.mktemp("models")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            stage.add(key, Holding(patients(seed), terms=TERMS, dictionary=WORDS))
        stage.add("strict", Holding(patients(9), terms=TERMS | DEMANDS, dictionary=WORDS))
        stage.add("user")
        stage.open()
        west = stage.nodes["west"]
        stage.space("authority").admit(west.did, name=EVIL, region=west.region)
        stage.admit(*(key for key in (*HOSPITALS, "strict", "user") if key != "west"))
        stage.agreements = [stage.agree("user", key) for key in HOSPITALS]
        stage.strict = stage.agree("user", "strict")
        yield stage


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def visit(stage, browser, **settings):
    return visiting(browser, f"http://localhost:{stage.nodes['user'].config.private.port}", **settings)


@pytest.fixture(scope="module")
def owner(stage, browser):
    with visit(stage, browser) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        confirm(owner)
        yield owner


def new(stage, owner, kind, *others):
    """The form of a kind of model, under the agreements of the four hospitals and others."""
    asked = "&".join(f"agreement={quote(one)}" for one in (*stage.agreements, *others))
    owner.open(f"/training/new?{asked}")
    owner.link(kind).click()
    expect(owner.page.locator(".tabs [aria-current=page]", has_text=owner.said(kind))).to_be_visible()


def features(owner, *names):
    for name in names:
        owner.page.locator(f"input[name=feature][value='{name}']").check()


def ended(owner):
    """The training that was looked at is started, and followed to its end."""
    owner.button("Start the training").click()
    expect(owner.page.locator("#standing .state.ok")).to_be_visible(timeout=240_000)
    owner.link("Model card").click()


def test_a_model_is_judged_for_groups_and_its_card_is_handed_on(stage, owner, tmp_path):
    page = owner.page
    new(stage, owner, "Linear model")
    owner.field("What is to be learned").select_option("disease > 0")
    features(owner, "age", "sbp", "sex")
    owner.field("L2 penalty").fill("0")
    page.locator("#judge").check()
    page.locator("input[name=group][value=sex]").check()
    owner.field("By bands of a number (1)").select_option("age")
    owner.field("Bounds between the bands (1)").fill("55")
    owner.field("Thresholds").fill("0.5")
    owner.field("For the groups of").select_option("sex")
    page.locator("#reweighing").check()
    owner.button("Look at the cost").click()
    expect(page.locator("#cost")).to_be_visible()
    expect(page.locator("#reweighing")).to_be_checked()
    expect(page.locator("input[name=bands]").first).to_have_value("55")
    ended(owner)
    expect(page.get_by_role("heading", name="For whom it is how good")).to_be_visible()
    expect(page.locator("figure.drawn svg")).to_have_count(5)  # hospitals, sex, age, reliability, ROC
    expect(page.get_by_role("rowheader", name=">= 55").first).to_be_visible()
    expect(page.get_by_role("rowheader", name=f"sex: {CODE}").first).to_be_visible()
    expect(page.get_by_text("How much patients counted in the fit").first).to_be_visible()
    expect(page.get_by_text(EVIL).first).to_be_visible()
    expect(page.locator("main img, main b, [onclick]")).to_have_count(0)
    owner.suits()
    with page.expect_download() as file:
        owner.link("The card as data, signed").click()
    card = json.loads(file.value.path().read_text())
    assert card["facts"]["judged"]["groups"][0]["rows"] == 600
    checked(owner, tmp_path, card)
    expect(page.get_by_text("disease > 0")).to_be_visible()
    owner.suits()
    checked(owner, tmp_path, card | {"facts": card["facts"] | {"noise": {"epsilon": "1"}}})
    expect(page.locator("#problem")).to_be_visible()
    checked(owner, tmp_path, ["no card"])
    expect(page.locator("#problem")).to_contain_text("training.card_file")
    assert len(owner.objections) == 2  # the browser reports the refusals
    owner.objections.clear()


def checked(owner, folder, card):
    """Somebody else's card is looked at."""
    file = folder / "card.json"
    file.write_text(json.dumps(card))
    owner.open("/training/cards")
    owner.field("File").set_input_files(file)
    owner.button("Check it").click()
    expect(owner.page.locator("main > .note").first).to_be_visible()


def test_a_demand_that_the_task_does_not_meet_is_told_before_the_start(stage, owner):
    new(stage, owner, "Linear model", stage.strict)
    owner.field("What is to be learned").select_option("disease > 0")
    features(owner, "age")
    owner.button("Look at the cost").click()
    expect(owner.page.locator("#cost")).to_contain_text("its contract does not let")
    expect(owner.page.locator("#cost")).to_contain_text("sex")


def test_a_network_is_trained_from_the_form(stage, owner):
    page = owner.page
    new(stage, owner, "Neural network")
    owner.field("What is to be learned").select_option("disease > 0")
    features(owner, "age", "sbp", "sex")
    owner.field("Hidden layers").fill("4")
    owner.field("Strategy").select_option("fedadam")
    owner.field("Questions at most").fill("5")
    owner.field("Set apart to choose the best round").select_option("0.2")
    owner.button("Look at the cost").click()
    expect(page.locator("#cost")).to_be_visible()
    owner.suits()
    ended(owner)
    task = stage.space("user").runs(most=1)[0]["model"]["task"]
    assert (task["task"], task["layers"], task["strategy"], task["max_rounds"]) == ("net", [4], "fedadam", 5)
    owner.suits()
    owner.link("Study").click()
    owner.sees("This kind of model has no coefficients to draw.")


def test_survival_asks_for_times_and_is_priced(stage, owner):
    page = owner.page
    new(stage, owner, "Survival (Cox)")
    owner.field("How long a patient was observed").select_option("sbp")
    owner.field("The event").select_option("disease > 0")
    features(owner, "age")
    owner.button("Look at the cost").click()
    expect(page.locator("#cost")).to_contain_text("at most 25 questions")
    owner.suits()


def test_what_a_form_does_not_offer_is_refused_with_what_was_typed_kept(stage, owner):
    asked = "&".join(f"agreement={quote(one)}" for one in stage.agreements)
    common = f"{asked}&look=1&target=disease+%3E+0&feature=age&purpose={quote(PURPOSE)}"
    for wrong, said in (
        ("kind=cox&time=sex", "time has to be chosen"),
        ("kind=net&layers=16,x", "layers is not a number"),
        ("kind=net&rate=fast", "rate is not a number"),
        ("judge=on&group=age", "group has to be chosen"),
        ("judge=on&band_column=age&bands=5,x", "bands is not a number"),
        ("judge=on&band_column=sex&bands=5", "band_column has to be chosen"),
        ("judge=on&thresholds=7", "rising numbers between"),
    ):
        assert owner.open(f"/training/new?{common}&{wrong}") in (400, 422)
        expect(owner.page.locator("#problem")).to_contain_text(said)
        assert owner.objections.pop()


@pytest.fixture(scope="module")
def judged(stage):
    return stage.space("user").train(JUDGED, stage.agreements, wait=240)


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_pages_are_accessible_and_fit(stage, browser, judged, language, theme):
    asked = "&".join(f"agreement={quote(one)}" for one in stage.agreements)
    paths = [f"/training/new?{asked}&kind={kind}" for kind in ("glm", "cox", "net")]
    runs = "&".join(f"run={one['id']}" for one in stage.space("user").runs() if one["model"])
    paths += [
        f"/training/model?id={judged['model']['id']}",
        "/training/cards",
        "/training",
        f"/training/compare?{runs}",
    ]
    with visit(stage, browser, locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        for path in paths:
            assert owner.open(path) == 200, path
            expect(owner.page.locator("main img, main b, [onclick]")).to_have_count(0)
            owner.suits()
