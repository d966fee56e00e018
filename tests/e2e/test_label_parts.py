"""Labels on columns and rows over running connectors, what models carry of them, and what may be made of models."""

import json
import re

import pytest

from medspace.app.doors.sdk import SpaceError
from tests.e2e.space import ASSET, PURPOSE, TASK, Holding, staged, step, table

TRAIN, OTHER = "medspace:train", "dpv:ScientificResearch"
COLUMNS = [{"names": ["sbp"], "purposes": [OTHER], "regions": ["FR"]}, {"names": ["*"]}]
WITHOUT = [{"name": "age"}, {"name": "sex", "kind": "coded", "levels": ["f", "m"]}]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    label = {"regions": ["EU"], "valid_until": "2029-12-31T00:00:00Z", "origin": "primary-care"}
    with staged(tmp_path_factory.mktemp("parts")) as stage:
        stage.add("authority")
        stage.add("clinic", Holding(table(1), label=label))
        stage.add("practice", Holding(table(2)))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture
def relabel(stage):
    clinic = stage.space("clinic")
    before = clinic.label(ASSET)["label"]
    yield lambda **said: stage.relabel("clinic", before | said)
    stage.relabel("clinic", before)


def ask(stage, **changes):
    use = stage.space("user").request(stage.agree("user", "clinic"), TRAIN)["id"]
    answer = stage.ask("user", "clinic", use, step(task=TASK | changes, sites=1))
    found = re.search(r"\blabel\.[a-z]+", answer.text)
    return answer if answer.status_code == 200 else (found and found[0]) or answer.text


def test_a_task_that_touches_a_column_out_of_label_is_refused_and_others_are_not(stage, relabel):
    relabel(columns=COLUMNS)
    assert ask(stage) == "label.columns"
    assert ask(stage, features=WITHOUT).status_code == 200
    relabel(columns=[{"names": ["age", "sex", "disease"]}])  # sbp has no label
    assert ask(stage) == "label.columns"
    assert ask(stage, features=WITHOUT).status_code == 200


def test_a_task_gets_no_row_out_of_label(stage, relabel):
    assert ask(stage).json()["cohort"] == 60
    relabel(rows=[{"column": "sex", "values": ["f"]}])  # whoever has another value has no label
    women = table(1).count(",f,")
    assert ask(stage, l2=2.0).json()["cohort"] == women
    out = [f"p1-{number}" for number in range(20)]  # who opted out
    relabel(rows=[{"column": "person", "values": out, "purposes": []}, {"column": "person", "others": True}])
    assert ask(stage, l2=3.0).json()["cohort"] == 40
    relabel(rows=[{"column": "sex", "values": ["f", "m"], "regions": ["FR"]}])
    assert ask(stage) == "label.rows"


def test_a_rule_pack_in_the_label_refuses_with_its_article(stage, relabel):
    relabel(laws=["ehds"])
    use = stage.space("user")
    with pytest.raises(SpaceError) as refused:
        use.request(stage.agree("user", "clinic"), TRAIN)
    assert refused.value.code == "law.ehds"
    assert "Article 68" in str(refused.value)
    relabel(laws=["ehds"], events=["data-permit"], states=["opt-outs-left-out"])
    assert ask(stage).status_code == 200


def test_a_model_carries_the_strictest_label_and_nothing_made_of_it_is_offered_more_freely(stage):
    user = stage.space("user")
    agreements = [stage.agree("user", key) for key in ("clinic", "practice")]
    found = user.train(TASK | {"min_sites": 2}, agreements)
    made = user.model(found["id"])
    label = made["lineage"]["label"]
    assert (label["purposes"], label["regions"]) == ([PURPOSE], ["EU"])
    assert (label["valid_until"][:10], label["origins"]) == ("2029-12-31", ["primary-care"])

    node = stage.nodes["user"]
    model = made["id"]
    own = {"regions": ["World"], "valid_until": "2029-12-31T00:00:00Z"}
    config = node.file.read_text()
    for name, content in (("rows.csv", table(3)), ("dictionary.toml", Holding("").dictionary)):
        (node.folder / name).write_text(content)
    try:
        free = Holding("", label=own, more=f"made_from = {json.dumps([model])}").toml()
        node.file.write_text(config + free)
        with pytest.raises(SpaceError) as refused:
            user.reload_offers()
        assert refused.value.code == "label.freer"
        strict = Holding("", label=own | {"regions": ["DE"]}, more=f"made_from = {json.dumps([model])}").toml()
        node.file.write_text(config + strict)
        user.reload_offers()
        with pytest.raises(SpaceError) as refused:  # nor later
            stage.relabel("user", user.label(ASSET)["label"] | {"regions": ["US"]})
        assert refused.value.code == "label.freer"
        node.file.write_text(config + strict.replace(model, "urn:no:model"))
        seen = user.reload_offers(dry=True)["seen"]
        with pytest.raises(SpaceError) as refused:
            user.reload_offers(seen=seen)
        assert refused.value.code == "label.source_unknown"
    finally:
        node.file.write_text(config)
        user.reload_offers()
