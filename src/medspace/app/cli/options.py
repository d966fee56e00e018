"""Options that many verbs share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="MEDSPACE_CONFIG", help="The connector's configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
LanguageOption = Annotated[str, typer.Option("--lang", help="en or zh; the default follows your system.")]
WaitOption = Annotated[float, typer.Option("--wait", help="Seconds to wait for an outcome.")]

DEFAULT_CONFIG = Path("medspace.toml")
