"""A systemd unit for one connector: started at boot, stopped with grace, restricted to what it needs."""

import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from medspace.adapters.filenames import absolute
from medspace.adapters.oswords import why
from medspace.adapters.ownership import write_owned
from medspace.adapters.sql import snapshot
from medspace.app.node.config import PASSPHRASE, Config, read_config
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

SPARE = 30  # seconds to close everything, after the grace period of running steps
START = 600  # seconds: migrating a large database takes time
WATCHDOG = 60
HOMES = ("/home", "/root", "/run/user")
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - folders that a unit may hide; nothing is written there
VERIFIER, PATIENCE = "systemd-analyze", 30.0

# What a connector never needs (systemd.exec(5)).
_LOCKED = """\
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitNOFILE=65536
"""


class UnitError(InvalidInputError):
    """A unit cannot be written for this configuration."""

    code = "service.unit"
    sentence = msgid("No service can be written for {path}: {reason}.")
    next_step = msgid("Move or rename it, or name another file with --write.")


def service_of(config_file: Path, *, write: Path | None = None, passphrase: Path | None = None) -> JsonObject:
    """A unit for a connector, written to `write` if given; `passphrase` is the file with its key's passphrase.

    Returns `{unit, written, user, problems}`: `problems` is the output of systemd's own check, None where systemd is
    absent.

    Raises:
        ConfigError, ...: the configuration cannot be used.
        UnitError: a path has characters that a unit cannot contain, or the file cannot be written.
    """
    config, file = read_config(config_file), absolute(config_file)
    user = pwd.getpwuid(file.stat().st_uid).pw_name
    text = unit(config, file, user, passphrase)
    if write is not None:
        write = write.absolute()
        try:
            write_owned(write, text)
            write.chmod(0o644)
        except OSError as error:
            raise UnitError(path=str(write), reason=why(error)) from error
    return {"unit": text, "written": str(write or ""), "user": user, "problems": problems(text)}


def unit(config: Config, file: Path, user: str, passphrase: Path | None = None) -> str:
    """The text of the unit.

    Raises:
        UnitError: a path has characters that a unit cannot contain.
    """
    folders = writable(config)
    program = " ".join(map(_command, (sys.executable, "-m", "medspace", "up", str(file))))
    needed = [*folders, file, Path(sys.executable), Path(__file__)]
    homes, temporary = _within(needed, HOMES), _within(needed, TEMPORARY)
    locked = (
        f"LoadCredential={PASSPHRASE}:{_plain(absolute(passphrase))}\n"
        if passphrase
        else f"# LoadCredential={PASSPHRASE}:/etc/medspace/passphrase\n# EnvironmentFile=/etc/medspace/environment\n"
    )
    return f"""\
# Made by `medspace service`; `systemctl daemon-reload` after a change.
[Unit]
Description=medspace connector {_escaped(config.did)}
Documentation=man:systemd.exec(5)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={_escaped(user)}
ExecStart={program}
# The passphrase of the key, where it has one, in a file that only root reads:
{locked}
Restart=on-failure
RestartSec=5
TimeoutStartSec={START}
# Steps in work have {config.service.stop_seconds} s ([service] stop_seconds); their processes get no signal.
TimeoutStopSec={config.service.stop_seconds + SPARE}
KillMode=mixed
WatchdogSec={WATCHDOG}

UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={"read-only" if homes else "yes"}
ReadWritePaths={" ".join(map(_path, folders))}
PrivateTmp={"no" if temporary else "yes"}
{_LOCKED}
[Install]
WantedBy=multi-user.target
"""


def writable(config: Config) -> list[Path]:
    """The folders that a connector writes to, each once, none below another."""
    wanted = [config.path("."), config.path(config.parts.folder)]
    files = [config.participant.key, config.questions.secret, config.jobs.secret, config.private.token]
    files += [name for name in (config.checkpoints.file, config.log.file) if name]
    wanted += [config.path(name).parent for name in files]
    if snapshot.is_file(config.database_url):
        wanted.append(snapshot.file_of(config.database_url).parent)
    resolved = sorted({absolute(folder) for folder in wanted})
    return [one for one in resolved if not any(one.is_relative_to(other) for other in resolved if other != one)]


def problems(text: str) -> list[str] | None:
    """What `systemd-analyze verify` reports about a unit; None where it is absent or does not answer."""
    program = shutil.which(VERIFIER)
    if program is None:
        return None
    with TemporaryDirectory() as folder:
        file = Path(folder) / "medspace-connector.service"
        file.write_text(text, encoding="utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and nothing of anybody else
                [program, "verify", str(file)], capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    return [line for line in said if file.name in line]


def _within(paths: Iterable[Path], folders: Iterable[str]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _path(path: Path) -> str:
    return _quoted(_escaped(str(path)), str(path))


def _plain(path: Path) -> str:
    """A path up to the end of its line, which is not quoted there."""
    _check(str(path))
    return _escaped(str(path))


def _check(word: str) -> None:
    if not word.isprintable() or word != word.strip():
        raise UnitError(path=ascii(word), reason=Text(msgid("it holds a character that no unit can hold")))


def _command(word: str) -> str:
    return _quoted(_escaped(word).replace("$", "$$"), word)


def _quoted(escaped: str, word: str) -> str:
    """A word as units have it (systemd.syntax(7), quoting)."""
    if re.fullmatch(r"[A-Za-z0-9/._:%$+=@-]+", escaped):
        return escaped
    _check(word)
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(word: str) -> str:
    return word.replace("%", "%%")  # otherwise it would be a specifier (systemd.unit(5))
