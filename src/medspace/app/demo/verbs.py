"""The verb demo: the main job on real patients, on this machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language


def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself when the story is told.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Keep the space here; default: a temporary folder.")
    ] = None,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65_524, help="Use this port and the next eleven; default: free ones."),
    ] = 0,
    invented: Annotated[
        bool, typer.Option("--invented", help="No story: four invented hospitals to try your own table with.")
    ] = False,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Four hospitals, a company and an authority: from catalogue to trained model to proof."""
    screen = Screen(as_json=json, language=spoken_language(lang))
    stay = not (once or json or os.environ.get("ONCE"))
    if invented:
        from medspace.app.demo.invented import run_invented  # noqa: PLC0415 - the server side is heavy

        run_invented(screen, folder=folder, port=port, stay=stay)  # a space to work with, so also without a terminal
        return
    from medspace.app.demo.story import run_demo  # noqa: PLC0415
    from medspace.app.features.training.progress import steps  # noqa: PLC0415

    run_demo(screen, folder=folder, port=port, stay=stay and sys.stdout.isatty(), progress=steps)
