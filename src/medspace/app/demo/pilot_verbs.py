"""The verbs of pilots: a data permit, a consent, and one disease from contract to model card."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language

pilot = typer.Typer(help="Pilots on this machine, with public data.", no_args_is_help=True)


@pilot.callback()
def _group() -> None:
    """Pilots on this machine, with public data."""


@pilot.command("permit")
def permit(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Keep everything here; default: a temporary folder.")
    ] = None,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """A data permit from application to revocation: a company, an access body and a hospital, three processes."""
    from medspace.app.demo.permit_story import run_permit  # noqa: PLC0415 - the server side is heavy

    run_permit(Screen(as_json=json, language=spoken_language(lang)), folder)


@pilot.command("consent")
def consent(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Keep everything here; default: a temporary folder.")
    ] = None,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """A consent from the yes in a wallet to the use that is refused once it is withdrawn; four processes."""
    from medspace.adapters.system import SystemRandomness  # noqa: PLC0415 - as above
    from medspace.app.demo.consent_story import run_consent  # noqa: PLC0415 - as above

    run_consent(Screen(as_json=json, language=spoken_language(lang)), SystemRandomness(), folder)


@pilot.command("retina")
def retina(
    data: Annotated[
        Path | None, typer.Option("--data", help="The folder with the images; default: that of MEDSPACE_DATA.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Keep everything here; default: a temporary folder.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Which image is at which hospital, first weights, all chance.")
    ] = 1,
    rounds: Annotated[int, typer.Option("--rounds", min=1, max=90, help="Rounds of training.")] = 20,
    without_clinic: Annotated[
        bool, typer.Option("--without-clinic", help="Leave out the clinic that joins later.")
    ] = False,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65_520, help="Use this port and the next fifteen; default: free ones."),
    ] = 0,
    processes: Annotated[bool, typer.Option("--processes", help="Each connector as a process of its own.")] = False,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Five hospitals learn to grade diabetic retinopathy together; a clinic with another camera joins later."""
    from medspace.app.demo.retina.progress import bar  # noqa: PLC0415 - the server side is heavy
    from medspace.app.demo.retina.story import PilotPlan, run_pilot  # noqa: PLC0415

    plan = PilotPlan(
        seed, rounds, folder=folder, source=data, joins=not without_clinic, port=port, processes=processes
    )
    run_pilot(Screen(as_json=json, language=spoken_language(lang)), plan, bar)
