"""Somebody else writes what decides what may leave; a setting of a trial stays when others reach the connector."""

import os
from pathlib import Path

import pytest

from medspace.adapters import ownership
from medspace.adapters.http.errors import ForbiddenAddressError
from medspace.adapters.http.guard import Guard
from medspace.adapters.ownership import FileExposedError, FileForeignError, FileReadableError
from medspace.app.compose.doctor import examine
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node import config as configuring
from medspace.app.node.config import ConfigError, NetworkOpenError, read_config
from medspace.app.node.holdings import open_holdings

PROXIED = 'behind_proxy = true\nurl = "https://hospital.example"\n'
CALLBACK = "http://127.0.0.1:9200/management"


@pytest.fixture
def file(tmp_path):
    set_up(tmp_path / "a", Wishes("A", 18_100))
    return tmp_path / "a" / "medspace.toml"


def opened(file: Path, *networks: str, public: str = PROXIED) -> Path:
    text = file.read_text().replace("[private]", f"{public}[private]")
    listed = ", ".join(f'"{network}"' for network in networks)
    file.write_text(text.replace('allow = ["127.0.0.0/8"]', f"allow = [{listed}]"))
    return file


def guard_of(config) -> Guard:
    return Guard.of(config.network.allow, loopback=not config.in_production)


OPEN = ["127.0.0.0/8", "127.0.0.1/32", "127.0.0.1", "::1/128", "0.0.0.0/0", "::/0", "0.0.0.0/1", "10.0.0.0/8"]
OPEN += ["172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fd00:1::/32", "169.254.169.254/32", "169.254.0.0/16"]
OPEN += ["fe80::/10", "::ffff:0:0/96", "::ffff:127.0.0.1/128", "100.64.0.0/10", "168.63.129.16", "fd00:ec2::254"]
OPEN += ["64:ff9b::/96", "2002:7f00::/24", "224.0.0.0/4"]


@pytest.mark.parametrize("network", OPEN)
def test_a_connector_that_others_reach_does_not_start_with_what_is_inside_opened(file, network):
    with pytest.raises(NetworkOpenError) as refused:
        read_config(opened(file, "10.1.2.0/24", network))
    assert refused.value.code == "config.network"
    assert network in str(refused.value.text)
    assert network in str(refused.value.advice)
    (check,) = examine(file, "en")["checks"]
    assert (check["name"], check["ok"]) == ("configuration", False)
    assert network in check["sentence"]
    assert "[network] allow" in check["next_step"]


@pytest.mark.parametrize(
    "public",
    [
        PROXIED,
        'url = "https://hospital.example"\n',
    ],
    ids=["behind a proxy", "named to others"],
)
def test_without_the_check_a_callback_reaches_every_port_of_this_machine(file, public, monkeypatch):
    with pytest.raises(NetworkOpenError):
        read_config(opened(file, "127.0.0.0/8", public=public))
    monkeypatch.setattr(configuring, "_check_networks", lambda *_: None)
    assert guard_of(read_config(file)).target(CALLBACK).port == 9200


def test_who_has_the_did_of_a_name_is_reached_by_it(file):
    text = file.read_text().replace('name = "A"', 'name = "A"\ndid = "did:web:hospital.example"')
    file.write_text(text)
    with pytest.raises(NetworkOpenError):
        read_config(file)


def test_a_password_that_others_can_read_is_none(file):
    url = "postgresql+psycopg://user:secret@db.example/x"
    file.write_text(file.read_text() + f'\n[database]\nurl = "{url}"\n')
    assert read_config(file).database.url == url
    for mode in (0o640, 0o604, 0o644):
        file.chmod(mode)
        with pytest.raises(FileReadableError) as refused:
            read_config(file)
        assert "chmod go=" in str(refused.value.advice)
        assert "secret" not in str(refused.value)
    file.write_text(file.read_text().replace(":secret", ""))
    assert read_config(file)


def test_a_trial_on_one_machine_may_call_itself_and_production_its_neighbours(file):
    assert guard_of(read_config(file)).target(CALLBACK).port == 9200
    guard = guard_of(read_config(opened(file, "10.1.2.0/24", "fd00:1:2:3::/64")))
    assert guard.target("https://10.1.2.3/").port == 443
    for url in (CALLBACK, "http://localhost:9200/", "https://127.0.0.1:9200/", "https://10.1.3.1/"):
        with pytest.raises(ForbiddenAddressError):
            guard.target(url)


def with_table(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text("patient,age\n" + "".join(f"p{n},{30 + n}\n" for n in range(20)))
    (tmp_path / "h").mkdir(mode=0o700)
    file = tmp_path / "h" / "medspace.toml"
    set_up(tmp_path / "h", Wishes("H", 18_100, offer=tmp_path / "t.csv", person="patient"))
    return file


@pytest.mark.parametrize("mode", [0o666, 0o662, 0o660, 0o620, 0o602])
@pytest.mark.parametrize("name", ["medspace.toml", "t.dictionary.toml"])
def test_what_others_can_write_decides_nothing(tmp_path, name, mode, monkeypatch):
    file = with_table(tmp_path)
    exposed = file.parent / name
    exposed.chmod(mode)
    with pytest.raises(FileExposedError) as refused:
        open_holdings(read_config(file))
    assert f"chmod go-w {exposed}" in str(refused.value.advice)
    assert refused.value.code == "file.exposed"
    checks = [check for check in examine(file, "en")["checks"] if not check["ok"]]
    assert any(f"chmod go-w {exposed}" in check["next_step"] for check in checks)
    monkeypatch.setattr(ownership, "_WRITE", 0)
    assert len(open_holdings(read_config(file))) == 1


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707])
def test_nor_does_what_stands_in_a_folder_that_others_can_write(tmp_path, mode):
    file = with_table(tmp_path)
    file.parent.chmod(mode)
    with pytest.raises(FileExposedError):
        read_config(file)
    file.parent.chmod(0o1777)  # sticky, as /tmp: nobody replaces the file of another there
    assert read_config(file).assets


def test_a_link_is_followed_to_the_folder_of_the_file_and_looked_at_in_its_own(tmp_path):
    file = with_table(tmp_path)
    shared = tmp_path / "shared"
    shared.mkdir()
    link = shared / "medspace.toml"
    link.symlink_to(file)
    assert read_config(link)
    shared.chmod(0o777)
    with pytest.raises(FileExposedError):
        read_config(link)
    shared.chmod(0o700)
    file.parent.chmod(0o777)
    with pytest.raises(FileExposedError):
        read_config(link)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", ["medspace.toml", "t.dictionary.toml", "."])
def test_what_belongs_to_another_decides_nothing(tmp_path, name, monkeypatch):
    file = with_table(tmp_path)
    os.chown(file.parent / name, 12345, 12345)
    with pytest.raises(FileForeignError) as refused:
        open_holdings(read_config(file))
    assert "chown" in str(refused.value.advice)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)  # the owner's own, and what root owns
    os.chown(file.parent, 12345, 12345)
    assert open_holdings(read_config(file))


@pytest.mark.parametrize("setting", ["certificate", "certificate_key", "certificates"])
def test_the_certificates_that_it_names_are_looked_at_too(file, setting):
    certificate = file.parent / "c.pem"
    certificate.write_text("x")
    certificate.chmod(0o666)
    text = file.read_text()
    if setting == "certificates":
        text = text.replace("[log]", 'certificates = "c.pem"\n[log]')
    else:
        public = 'url = "https://hospital.example"\ncertificate = "c.pem"\ncertificate_key = "c.pem"\n'
        text = text.replace("[private]", f"{public}[private]").replace('"127.0.0.0/8"', "")
    file.write_text(text)
    with pytest.raises(FileExposedError):
        read_config(file)
    certificate.chmod(0o644)
    assert read_config(file)


@pytest.mark.parametrize("name", ["A\x1b[2J", "A\x7f", "A\u202eB", "A\n[assets]"])
def test_a_name_that_drives_a_terminal_is_refused(file, name):
    escaped = "".join(f"\\u{ord(one):04x}" for one in name)
    file.write_text(file.read_text().replace('name = "A"', f'name = "{escaped}"'))
    with pytest.raises(ConfigError, match=r"participant\.name"):
        read_config(file)


def test_a_pipe_in_place_of_the_file_does_not_hold_the_start(tmp_path):
    os.mkfifo(tmp_path / "medspace.toml", 0o600)
    with pytest.raises(ConfigError):
        read_config(tmp_path / "medspace.toml")


def test_init_writes_what_only_its_owner_can_change_whatever_the_umask_is(tmp_path):
    old = os.umask(0)
    try:
        file = with_table(tmp_path)
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir() if path.is_file()}
    assert set(modes.values()) == {0o600}
