"""The tree of verbs."""

from typing import Annotated

import typer

from medspace import __version__
from medspace.app.cli import audit, budget, connector, demo, find, keys, label, learn, policy, sites, steps

CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="medspace",
    help="A trusted data space for medicine: data stay where they are; models, queries and proofs move.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)
app.command("demo")(demo.demo)
app.command("init")(connector.init)
app.command("up")(connector.up)
app.command("doctor")(connector.doctor)
app.command("members")(connector.members)
app.command("admit")(connector.admit)
app.command("remove")(connector.remove)
app.command("label")(label.label)
app.command("sites")(sites.sites)
app.command("steps")(steps.steps)
app.command("catalog")(find.catalog)
app.command("negotiate")(find.negotiate)
app.command("negotiations")(find.negotiations)
app.command("answer")(find.answer)
app.command("agreements")(find.agreements)
app.command("download")(find.download)
app.command("train")(learn.train)
app.command("runs")(learn.runs)
app.command("model")(learn.model)
app.add_typer(budget.app, name="budget")
app.add_typer(audit.app, name="audit")
app.add_typer(policy.app, name="policy")
app.add_typer(keys.app, name="keys")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every verb has --json for programs and --lang en|zh for people."""


def root(arguments: list[str]) -> int:
    """Run the verb that the arguments name; its exit code."""
    return int(app(args=arguments, prog_name="medspace", standalone_mode=False) or 0)
