"""What still is to do on a new connector: the steps follow from its configuration, and each says what does it."""

import shlex

import pytest

from medspace.adapters.toml_editing import appended
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.features.setup.steps import DONE, LATER, TO_DO, SetupFacts, steps_of
from medspace.app.node.config import read_config
from medspace.trust.jws import encode

NEW = Wishes("Hospital", 18_100, "did:web:authority.example", encode(bytes(32)), "", None)
FOUND = Wishes("A 'space'", 18_100, "", "", "CN", None)


def made(folder, wishes=NEW, **changed):
    set_up(folder, wishes)
    file = folder / "medspace.toml"
    for old, new in changed.values():
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, 1))
    return read_config(file)


def states(config, *, member=False, passkey=False, datasets=0):
    return {step.name: step for step in steps_of(SetupFacts(config, member, passkey, datasets))}


def test_a_new_connector_needs_most(tmp_path):
    found = states(made(tmp_path / "it"))
    assert {name: step.state for name, step in found.items()} == {
        "Name": DONE,
        "Address": LATER,
        "Certificate": LATER,
        "Region": TO_DO,
        "Authority": TO_DO,
        "First passkey": TO_DO,
        "First dataset": LATER,
    }
    for step in found.values():
        assert step.state == DONE or step.commands or step.page, "whoever reads it can do something"
        assert step.told(str)["state"] == step.state


def test_the_commands_can_be_typed_as_they_are(tmp_path):
    config = made(tmp_path / "a folder")
    (admit,) = states(config)["Authority"].commands
    assert shlex.split(admit) == ["medspace", "admit", config.did, "--name", "Hospital"]
    for command in states(config)["Region"].commands:
        assert shlex.split(command)[-1] == str(tmp_path / "a folder" / "medspace.toml")
    with_region = made(tmp_path / "b", Wishes("A 'b' \"c\"", 18_100, NEW.authority, NEW.authority_key, "CN", None))
    (admit,) = states(with_region)["Authority"].commands
    assert shlex.split(admit)[-3:] == ["A 'b' \"c\"", "--region", "CN"]


def test_where_nothing_is_left(tmp_path):
    config = made(
        tmp_path / "it",
        FOUND,
        public=('host = "127.0.0.1"', 'host = "0.0.0.0"\nurl = "https://m.example"\nbehind_proxy = true'),
        network=('allow = ["127.0.0.0/8"]', "allow = []"),
    )
    found = states(config, member=True, passkey=True, datasets=2)
    assert {step.state for step in found.values()} == {DONE}
    assert "A 'space'" in str(found["Name"].found)
    founder = states(made(tmp_path / "own", FOUND))
    assert (founder["Authority"].state, founder["Authority"].page) == (DONE, "/members")
    assert founder["Region"].state == DONE


def test_a_certificate_of_its_own_is_enough(tmp_path):
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).touch(0o600)
    shown = f'certificate = "{tmp_path}/c.pem"\ncertificate_key = "{tmp_path}/k.pem"'
    config = made(
        tmp_path / "it",
        public=('host = "127.0.0.1"', f'host = "0.0.0.0"\nurl = "https://m.example"\n{shown}'),
        network=('allow = ["127.0.0.0/8"]', "allow = []"),
    )
    assert states(config)["Certificate"].state == DONE


@pytest.mark.parametrize("step", ["Address", "Certificate", "Region"])
def test_the_lines_can_be_written_into_a_configuration(tmp_path, step):
    lines = states(made(tmp_path / "it"))[step].lines
    assert appended("", lines)


def test_no_name_is_to_do(tmp_path):
    config = made(tmp_path / "it", name=('name = "Hospital"', 'name = " "'))
    assert states(config)["Name"].state == TO_DO


def test_nobody_is_asked_for_a_passkey_where_nobody_has_an_account(tmp_path):
    assert "First passkey" not in states(made(tmp_path / "it"), passkey=None)
