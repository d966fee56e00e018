"""Options that many verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.core.text import Text, msgid

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="MEDSPACE_CONFIG", help="The connector's configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
LanguageOption = Annotated[str, typer.Option("--lang", help="en or zh; the default follows your system.")]
WaitOption = Annotated[float, typer.Option("--wait", help="Seconds to wait for an outcome.")]

DEFAULT_CONFIG = Path("medspace.toml")


def following(command: str, config: Path) -> Text:
    """What to do next, as a command that works when it is copied."""
    named = "" if config == DEFAULT_CONFIG else f" --config {config}"
    return Text(msgid("Next: {command}"), {"command": command + named})
