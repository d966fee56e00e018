"""Options that many commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from medspace.app.doors.cli.errors import LanguageError
from medspace.app.node.language import is_language
from medspace.core.text import Text, msgid

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="MEDSPACE_CONFIG", help="The connector's configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _language(context: typer.Context, asked: str) -> str:
    """The language asked for, here or before the verb (`medspace --lang zh VERB`)."""
    above: Any = context
    while not asked and above.parent is not None:
        above = above.parent
        asked = above.params.get("lang") or ""
    if asked and not is_language(asked):
        raise LanguageError(language=asked)
    return asked


LanguageOption = Annotated[
    str, typer.Option("--lang", callback=_language, help="en or zh; the default follows your system.")
]
WaitOption = Annotated[float, typer.Option("--wait", help="Seconds to wait for an outcome.")]

DEFAULT_CONFIG = Path("medspace.toml")


def following(command: str | Text, config: Path) -> Text:
    """The next step, as a command that can be copied and run, once its placeholders were filled."""
    named = "" if config == DEFAULT_CONFIG else f" --config {config}"
    whole = Text("{command}{config}", {"command": command, "config": named})
    return Text(msgid("Next: {command}"), {"command": whole})
