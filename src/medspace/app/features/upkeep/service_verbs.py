"""The command that makes a connector a service."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid

FOLDERS = (Path("/etc/systemd/system"), Path("/usr/local/lib/systemd/system"))
WINDOWS = (
    msgid("medspace runs on Linux. On Windows it runs in WSL 2, in a distribution of its own:"),
    msgid("1. In an administrator's PowerShell: wsl --install -d Debian"),
    msgid("2. In it, write into /etc/wsl.conf: [boot] and below it systemd=true; then in PowerShell: wsl --shutdown"),
    msgid(
        "3. Install medspace in it, with the connector's folder (not under /mnt), and run `medspace service` there."
    ),
    msgid(
        "4. So that it starts with Windows and stays: a task of the Task Scheduler at system start, for a user that "
        "need not be logged on, with: wsl.exe -d Debian --exec sleep infinity"
    ),
    msgid("5. To be reached from outside: in .wslconfig of that user, [wsl2] and below it networkingMode=mirrored."),
    msgid("A Linux machine, virtual or not, is what we test; prefer it where others rely on the connector."),
)


def service(
    write: Annotated[
        Path | None,
        typer.Option("--write", help="Write it to this new file, such as /etc/systemd/system/medspace.service."),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option("--passphrase-file", help="The file of the passphrase of the key, which only root need read."),
    ] = None,
    windows: Annotated[bool, typer.Option("--windows", help="Say how to run it on Windows.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Print a hardened systemd unit for this connector, or write it to a file."""
    screen = Screen(as_json=json, language=spoken_language(lang))
    if windows:
        lines = [screen.say(Text(line)) for line in WINDOWS]
        screen.show({"windows": lines}, lambda: _lines(screen))
        return
    from medspace.app.features.upkeep.unit import service_of  # noqa: PLC0415 - a configuration is read

    made = service_of(config, write=write, passphrase=passphrase_file)
    screen.show(made, lambda: _made(screen, made))


def _lines(screen: Screen) -> None:
    for line in WINDOWS:
        screen.line(Text(line))


def _made(screen: Screen, made: JsonObject) -> None:
    if not made["written"]:
        sys.stdout.write(made["unit"])
        return
    screen.line(Text(msgid("{file} runs the connector as the user {user}."), {"file": made["written"], **made}))
    for problem in made["problems"] or ():
        screen.line(Text(msgid("systemd says: {problem}"), {"problem": problem}))
    if made["user"] == "root":
        screen.line(Text(msgid("It would run as root: give the folder of the connector to a user of its own first.")))
    file = Path(made["written"])
    # Elsewhere systemd does not find it by its name: it links it by its whole path (systemctl(1), enable).
    unit = file.name if file.parent in FOLDERS else shlex.quote(str(file))
    command = f"systemctl daemon-reload && systemctl enable --now {unit}"
    screen.line(Text(msgid("Next: {command}"), {"command": command}))
