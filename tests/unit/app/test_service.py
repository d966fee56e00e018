"""What a service manager is given and told: the unit, readiness, the watchdog; where the log goes."""

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import stat
from pathlib import Path

import pytest

from medspace.adapters.keys import SecretExposedError, passphrase_from
from medspace.adapters.logs import LogFile, LogFileError, RotatingFile, configure_logs, logger
from medspace.app.compose.life import Life
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.features.upkeep import service_verbs
from medspace.app.features.upkeep import unit as units
from medspace.app.features.upkeep.unit import UnitError, service_of, unit
from medspace.app.main import main
from medspace.app.node.config import ConfigError, read_config
from medspace.app.node.notices import Notices


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / "hospital of 100%"
    set_up(folder, Wishes("Hospital", 8100, "", "", "CN", None))
    return folder / "medspace.toml"


def said(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out + printed.err


def settings(text):
    lines = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


# --- the unit -------------------------------------------------------------------------------------------------------


def test_the_unit_holds_the_connector_to_what_it_needs_and_stops_it_with_grace(config):
    with config.open("a") as text:
        text.write("\n[service]\nstop_seconds = 200\n")
    found = settings(service_of(config)["unit"])
    assert (found["Type"], found["Restart"], found["KillMode"]) == ("notify", "on-failure", "mixed")
    assert found["TimeoutStopSec"] == "230"
    assert (found["NoNewPrivileges"], found["ProtectSystem"], found["UMask"]) == ("yes", "strict", "0077")
    folder = str(config.parent).replace("%", "%%")
    assert found["ReadWritePaths"] == f'"{folder}"'
    assert found["ExecStart"].endswith(f'-m medspace up "{folder}/medspace.toml"')
    assert found["PrivateTmp"] == "no", "the folder of the test lies in /tmp, which the service would not see"


def test_every_folder_that_is_written_is_named_once(config, tmp_path):
    with config.open("a") as text:
        text.write(f'\n[database]\nurl = "sqlite:///{tmp_path}/data/connector.db"\n')
        text.write(f'\n[checkpoints]\nfile = "{tmp_path}/worm/anchors"\n')
    text = config.read_text().replace("[log]", f'[log]\nfile = "{tmp_path}/logs/connector.log"')
    config.write_text(text)
    names = [folder.name for folder in units.writable(read_config(config))]
    assert names == ["data", config.parent.name, "logs", "worm"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_itself_has_no_objection(config, tmp_path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("x")
    assert service_of(config, passphrase=passphrase)["problems"] == []
    assert units.problems("[Service]\nExecStart=nothing\n")


def test_without_systemd_nothing_is_said_of_it(config, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert service_of(config)["problems"] is None
    monkeypatch.setattr(shutil, "which", lambda _: "/nowhere/systemd-analyze")
    assert service_of(config)["problems"] is None


def test_a_path_that_no_unit_can_hold_is_refused(config):
    with pytest.raises(UnitError):
        unit(read_config(config), Path("/srv/a\nExecStart=evil/medspace.toml"), "user")


def test_people_get_the_unit_or_have_it_written(config, tmp_path, capsys):
    code, text = said(capsys, "service", "--config", str(config))
    assert (code, "[Service]" in text) == (0, True)
    file = tmp_path / "medspace.service"
    words = ("service", "--config", str(config), "--write", str(file))
    code, text = said(capsys, *words)
    assert (code, f"systemctl enable --now {file}" in text) == (0, True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert "service.unit" in said(capsys, *words)[1]
    assert "WSL 2" in said(capsys, "service", "--windows")[1]
    assert len(json.loads(said(capsys, "service", "--windows", "--json")[1])["windows"]) > 4


def test_a_unit_at_a_relative_path_is_enabled_by_its_whole_one(config, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "units").mkdir()
    code, text = said(capsys, "service", "--config", str(config), "--write", "units/my.service")
    assert (code, f"systemctl enable --now {tmp_path}/units/my.service" in text) == (0, True)
    assert (tmp_path / "units" / "my.service").is_file()
    told = json.loads(said(capsys, "service", "--config", str(config), "--write", "my.service", "--json")[1])
    assert told["written"] == str(tmp_path / "my.service")
    refused = said(capsys, "service", "--config", str(config), "--write", "missing/my.service")
    assert (refused[0], str(tmp_path / "missing") in refused[1]) == (2, True)


def test_a_unit_among_those_of_systemd_is_enabled_by_its_name(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(service_verbs, "FOLDERS", (tmp_path,))
    text = said(capsys, "service", "--config", str(config), "--write", str(tmp_path / "my.service"))[1]
    assert "systemctl enable --now my.service" in text


def test_the_passphrase_of_the_key_may_be_a_credential_of_the_service(tmp_path, monkeypatch):
    monkeypatch.delenv("NAME", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert passphrase_from("NAME") is None
    (tmp_path / "NAME").write_text("secret\n")
    (tmp_path / "NAME").chmod(0o600)
    assert passphrase_from("NAME") == b"secret"
    (tmp_path / "NAME").chmod(0o644)
    with pytest.raises(SecretExposedError):
        passphrase_from("NAME")
    monkeypatch.setenv("NAME", "said")
    assert passphrase_from("NAME") == b"said"


# --- what the manager is told ---------------------------------------------------------------------------------------


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The socket of a service manager, and its address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(10)
        name = str(tmp_path / "n") if request.param == "path" else f"@medspace-{os.getpid()}"
        listening.bind(name if request.param == "path" else "\0" + name[1:])
        yield listening, name


def test_the_manager_hears_ready_alive_and_stopping(manager):
    listening, name = manager
    notices = Notices.of({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())})
    assert notices.watchdog == 5.0
    notices.ready()
    notices.stopping()

    async def alive():
        naps = []

        async def nap(seconds):
            naps.append(seconds)
            if len(naps) == 2:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await notices.alive(nap)
        return naps

    assert asyncio.run(alive()) == [2.5, 2.5]
    assert [listening.recv(100) for _ in range(4)] == [b"READY=1", b"STOPPING=1", b"WATCHDOG=1", b"WATCHDOG=1"]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "/" + "x" * 200},
        {"NOTIFY_SOCKET": "/nobody/listens", "WATCHDOG_USEC": "x"},
        {"NOTIFY_SOCKET": "/nobody/listens", "WATCHDOG_USEC": "10", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_manager_nothing_is_said_and_nothing_breaks(environment):
    notices = Notices.of(environment)
    notices.ready()
    assert notices.watchdog == 0
    asyncio.run(notices.alive())


# --- the end --------------------------------------------------------------------------------------------------------


def test_the_grace_ends_with_the_work_with_a_second_signal_or_by_itself():
    async def ended(grace, work, *hurried):
        life = Life(grace)
        if hurried:
            life.hurry.set()
        async with asyncio.timeout(10):
            await life.ends(work())
        return life.state

    async def quick():
        pass

    async def endless():
        await asyncio.Event().wait()

    for case in ((60.0, quick), (60.0, endless, True), (0.01, endless), (0.0, quick)):
        assert asyncio.run(ended(*case)) == "stopping"


def test_the_first_signal_stops_and_the_second_hurries():
    async def signalled():
        life, stop, told = Life(60.0), asyncio.Event(), []
        life.heed(stop, told.append)
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(stop.wait(), 10)
            assert not life.hurry.is_set()
            assert "have 60 seconds to end" in str(told[-1])
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.wait_for(life.hurry.wait(), 10)
            assert "at once" in str(told[-1])
            assert len(told) == 2
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().remove_signal_handler(number)

    asyncio.run(signalled())


# --- the log --------------------------------------------------------------------------------------------------------


@pytest.fixture
def logging_as_before():
    root, ours = logging.getLogger(), logging.getLogger("medspace")
    before, levels, handler = list(root.handlers), (root.level, ours.level), signal.getsignal(signal.SIGHUP)
    yield
    for one in root.handlers:
        if one not in before:
            one.close()
    root.handlers[:] = before
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    signal.signal(signal.SIGHUP, handler)


@pytest.mark.parametrize("keep", [2, 0])
def test_the_log_in_a_file_is_private_and_of_bounded_size(tmp_path, logging_as_before, keep):
    file = tmp_path / "logs" / "connector.log"
    configure_logs("info", "json", LogFile(file, 2_000, keep))
    for number in range(100):
        logger(participant="did:web:x").info("event", number=number)
    kept = sorted(one.name for one in file.parent.iterdir())
    assert kept == ["connector.log", "connector.log.1", "connector.log.2"][: keep + 1]
    for one in file.parent.iterdir():
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
        assert one.stat().st_size <= 2_000
    assert json.loads(file.read_text().splitlines()[-1])["number"] == 99


def test_a_signal_has_the_log_opened_anew(tmp_path, logging_as_before):
    file = tmp_path / "connector.log"
    configure_logs("info", "text", LogFile(file, 1 << 20, 1))
    logger().info("before")
    file.rename(tmp_path / "aside.log")
    os.kill(os.getpid(), signal.SIGHUP)
    logger().info("after")
    assert "before" in (tmp_path / "aside.log").read_text()
    assert "after" in file.read_text()


def test_a_log_goes_into_a_plain_file_of_ones_own_or_nowhere(tmp_path, logging_as_before):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "link/below"):
        with pytest.raises(LogFileError):
            configure_logs("info", "json", LogFile(tmp_path / name, 1000, 1))
    assert not (tmp_path / "elsewhere").exists()
    open_to_all = tmp_path / "open.log"
    open_to_all.touch(mode=0o666)
    RotatingFile(LogFile(open_to_all, 1000, 1)).close()
    assert stat.S_IMODE(open_to_all.stat().st_mode) == 0o600


@pytest.mark.parametrize("wrong", ["[log]\nmax_megabytes = 0", "[log]\nkeep = -1", "[service]\nstop_seconds = 9999"])
def test_numbers_that_bound_nothing_are_refused(config, wrong):
    config.write_text(config.read_text().partition("[log]")[0] + wrong + "\n")
    with pytest.raises(ConfigError):
        read_config(config)
