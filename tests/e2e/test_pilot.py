"""The pilot in its short form, as people start it: six rounds of training, five hospitals and a clinic."""

import json

import pytest

from medspace.app.demo.processes import started
from medspace.app.demo.retina import data, space
from medspace.app.demo.retina.story import PilotPlan, run_pilot
from medspace.app.doors.cli.screen import Screen
from medspace.app.verbs import root
from medspace.core.errors import MedspaceError
from medspace.learning.net import convolution
from tests.attacks.logs import as_a_connector_logs
from tests.ports import claim
from tests.shared_data import DATA

pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)


@pytest.fixture(scope="module", autouse=True)
def logging_as_it_was():
    """The pilot sets up logging for its process; the tests that come have their own."""
    with as_a_connector_logs():
        yield


@pytest.fixture(scope="module")
def claimed():
    """The first port of the connectors."""
    return claim(space.PORTS)[0]


@pytest.fixture(scope="module")
def story(tmp_path_factory, claimed):
    """The story told once, without its adjustment to people: what it said, and its folder."""
    if not all((DATA / folder / file).exists() for folder, file in (data.RETINA, data.CLINIC)):
        pytest.skip(f"{DATA} has no {data.RETINA[0]} or {data.CLINIC[0]}: set MEDSPACE_DATA")
    folder = tmp_path_factory.mktemp("pilot") / "space"
    return root([*short(claimed), "--folder", str(folder)]), folder


def short(port, *options):
    """The command of the short form."""
    return ["pilot", "retina", "--rounds", "6", "--port", str(port), "--data", str(DATA), "--json", *options]


def test_it_goes_from_contract_to_verified_logs(story):
    code, folder = story
    assert code == 0
    told = json.loads((folder / "pilot.json").read_text())
    assert told["audit"]["verified"]
    assert told["protection"] == "masked-sums"
    assert told["training"]["rounds"] == 8
    assert any("AUC of at least 0.6" in line for line in told["contract"])
    assert [site["site"] for site in told["sites"]] == list(data.SHARES)
    assert {"retina.auc", "retina.accuracy", "retina.worst_ece", "transfer.idrid_auc", "pilot.seconds"} <= told.keys()


def test_card_picture_and_logs_stay_in_the_folder(story):
    _, folder = story
    assert "<svg" in (folder / "pilot.svg").read_text()
    assert "Convolutional network" in (folder / "card.html").read_text()
    assert json.loads((folder / "card.json").read_text())["signed"]
    assert len(list(folder.glob("*.log.json"))) == 8


def test_as_processes_the_model_is_the_same_to_the_bit(story, claimed, tmp_path):
    _, folder = story
    apart = tmp_path / "apart"
    assert root(short(claimed, "--processes", "--without-clinic", "--folder", str(apart))) == 0
    one, other = (json.loads((place / "pilot.json").read_text()) for place in (folder, apart))
    assert other["model"]["weights"] == one["model"]["weights"]
    assert other["training"]["losses"] == one["training"]["losses"]
    assert other["sites"] == one["sites"]
    assert other["audit"]["verified"]
    assert len(list(apart.glob("*/connector.log"))) == 7  # authority, company, five hospitals


def test_a_connector_that_does_not_start_is_named_with_its_log(tmp_path):
    file = tmp_path / "medspace.toml"
    file.write_text("[participant]")
    with pytest.raises(MedspaceError, match=r"connector\.log"), started([file]):
        pytest.fail("it started")
    assert (tmp_path / "connector.log").stat().st_size


def test_a_folder_that_is_not_empty_is_left_alone(story):
    _, folder = story
    with pytest.raises(MedspaceError, match="not empty"):
        root(["pilot", "retina", "--data", str(DATA), "--folder", str(folder), "--json"])


def test_without_the_clinics_photographs_it_is_said_before_anything_starts(tmp_path):
    if not (DATA / data.RETINA[0]).exists():
        pytest.skip(f"{DATA} has no {data.RETINA[0]}: set MEDSPACE_DATA")
    (tmp_path / data.RETINA[0]).symlink_to(DATA / data.RETINA[0])
    with pytest.raises(MedspaceError, match="without-clinic"):
        root(["pilot", "retina", "--data", str(tmp_path), "--json"])


def test_whoever_lacks_pytorch_is_told_which_extra_it_is(monkeypatch, tmp_path):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(convolution, "import_module", absent)
    convolution.torch.cache_clear()
    try:
        with pytest.raises(MedspaceError, match=r"medspace\[imaging\]"):
            run_pilot(Screen(as_json=True, language="en"), PilotPlan(1, source=tmp_path), lambda _: None)
    finally:
        convolution.torch.cache_clear()
