"""A survival model over four hospitals under masks, over HTTP: the stratified fit of all their rows."""

import random

import numpy as np
import pytest
import statsmodels.api as sm
from playwright.sync_api import expect

from medspace.app.doors.sdk import SpaceError
from medspace.app.verbs import root
from tests.e2e.portal.browser import browsing, visiting
from tests.e2e.space import HOSPITALS, PURPOSE, Holding, audited, staged

DICTIONARY = """
title = "Invented patients of an oncology clinic"
person = "person"

[columns.person]
type = "code"
description = "Stands for the patient."

[columns.days]
type = "number"
description = "Days from diagnosis to death or the last visit."
minimum = 0
maximum = 5000

[columns.died]
type = "flag"
description = "Whether the patient died."

[columns.age]
type = "integer"
description = "Age in years."
minimum = 0
maximum = 120

[columns.stage]
type = "code"
description = "The stage of the tumour."
codes = { early = "early", late = "late" }
"""
TASK = {
    "task": "cox",
    "time": "days",
    "event": "died > 0",
    "features": [{"name": "age"}, {"name": "stage", "kind": "coded", "levels": ["early", "late"]}],
    "purpose": PURPOSE,
    "tolerance": 1e-10,
    "errors": "robust",
    "min_sites": 3,
}
ROWS = 300
LISTED = ["cox.model", "cox.progress", "cox.quality"]


def patients(seed, rows=ROWS):
    chance = random.Random(seed)
    lines = ["person,days,died,age,stage"]
    for number in range(rows):
        age, late = chance.randint(40, 80), int(chance.random() < 0.4)
        life = chance.expovariate(2.718 ** ((age - 60) / 20 + 0.8 * late) / 900)
        until = chance.uniform(100, 1500)
        lines.append(f"p{seed}-{number},{min(life, until):.2f},{int(life <= until)},{age},{('early', 'late')[late]}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("survival")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS):
            terms = {"min_sites": 3, "protection": "masked-sums", "outputs": LISTED}
            stage.add(key, Holding(patients(seed), terms=terms, dictionary=DICTIONARY))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def run(stage):
    agreements = [stage.agree("user", key) for key in HOSPITALS]
    return stage.space("user").train(TASK, agreements, wait=120)


def oracle():
    rows = [line.split(",") for seed in range(4) for line in patients(seed).splitlines()[1:]]
    columns = np.column_stack([[float(row[3]) for row in rows], [float(row[4] == "late") for row in rows]])
    days, died = (np.array([float(row[k]) for row in rows]) for k in (1, 2))
    return sm.PHReg(days, columns, died, strata=np.repeat(range(4), ROWS), ties="efron").fit(disp=0)


def test_the_model_is_that_of_all_rows_with_a_baseline_per_hospital(run):
    assert run["state"] == "finished", run
    found = {term["name"]: float(term["value"]) for term in run["model"]["coefficients"]}
    assert np.abs(np.array([found["age"], found["stage=late"]]) - oracle().params).max() <= 1e-6
    assert run["model"]["errors"] == "robust"
    errors = {term["name"]: float(term["standard_error"] or "nan") for term in run["model"]["coefficients"]}
    assert [errors["age"], errors["stage=late"]] == pytest.approx(oracle().bse, rel=0.2)


def test_the_logs_verify(run, stage, tmp_path):
    assert audited(stage, tmp_path)["outcome"] == "verified"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_see_hazard_ratios(run, stage, capsys, language):
    config = str(stage.nodes["user"].file)
    assert root(["model", run["model"]["id"], "--config", config, "--lang", language]) == 0
    shown = capsys.readouterr().out
    ratio = {"en": "hazard ratio", "zh": "风险比"}[language]
    assert all(words in shown for words in (ratio, "stage=late", "North")), shown


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_the_study_draws_hazard_ratios_and_no_curve_that_nobody_published(run, stage, language, theme):
    origin = f"http://localhost:{stage.nodes['user'].config.private.port}"
    with browsing() as browser, visiting(browser, origin, locale=language, color_scheme=theme) as owner:
        owner.enter(stage.space("user").portal_link()["url"])
        assert owner.open(f"/training/study?id={run['model']['id']}") == 200
        said = owner.page.locator("main").inner_text()
        for shown in run["model"]["hazard_ratios"]:
            row = owner.page.locator("tbody tr", has_text=shown["name"]).first
            if shown["low"] is not None:  # nobody differs in some columns: no interval is known
                expect(row).to_contain_text(f"{shown['ratio']:.3g} [{shown['low']:.3g}, {shown['high']:.3g}]")
            expect(row.locator("svg .dot")).to_have_count(1)
        assert {"en-GB": "no hospital publishes its baseline risk", "zh-CN": "没有医院公布其基线风险"}[
            language
        ] in said
        assert "North" in said
        owner.suits()


def test_a_task_that_is_wrong_says_how(stage):
    agreements = [stage.agree("user", key) for key in HOSPITALS]
    with pytest.raises(SpaceError, match="also the event or a feature"):
        stage.space("user").train(TASK | {"time": "age"}, agreements, wait=60)
