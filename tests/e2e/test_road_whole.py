"""The whole road, from catalogue to proof, between connectors that speak HTTP."""

import pytest

from tests.e2e.space import TASK, audited, hospital, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("whole")) as stage:
        stage.add("authority", hospital(1))
        stage.add("clinic", hospital(2))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def test_from_catalogue_to_proof(stage, tmp_path):
    user = stage.space("user")
    found = user.catalog(search="heart")
    assert {d["participant"] for d in found} == {stage.nodes["authority"].did, stage.nodes["clinic"].did}
    agreements = [stage.agree("user", holder) for holder in ("authority", "clinic")]
    run = user.train(TASK, agreements, wait=60)
    assert run["state"] == "finished", run
    assert run["model"]["rows"] == 120
    report = audited(stage, tmp_path)
    assert report["outcome"] == "verified", report
