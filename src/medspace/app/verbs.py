"""The tree of verbs."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any

import typer

from medspace import __version__
from medspace.app import running_verbs as running
from medspace.app.compose.features import FEATURES
from medspace.app.demo import verbs as demo
from medspace.app.demo.pilot_verbs import pilot
from medspace.app.doors.cli.help import speak_help
from medspace.app.doors.cli.options import LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.own_token import TokenUnusedError, used
from medspace.app.node.language import speaker

CONTEXT = {"help_option_names": ["-h", "--help"]}

OWN = ("up", "doctor")  # verbs of the node that start without those of the features


@cache
def tree() -> typer.Typer:
    """All verbs."""
    app = _bare()
    app.command("demo")(demo.demo)
    app.add_typer(pilot, name="pilot")
    _grow(app)
    for feature in FEATURES:
        if feature.verbs is not None:
            feature.verbs(app)
    return app


def own_tree() -> typer.Typer:
    """The verbs of the node alone: a connector that starts imports no verb of a feature."""
    app = _bare()
    _grow(app)
    return app


def _bare() -> typer.Typer:
    app = typer.Typer(
        name="medspace",
        help="A trusted data space for medicine: data stay where they are; models, queries and proofs move.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )
    app.callback()(options)
    return app


def _grow(app: typer.Typer) -> None:
    app.command("up")(running.up)
    app.command("doctor")(running.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def options(
    context: typer.Context,
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="The file of your own token; else the owner's is used.")
    ] = None,
    lang: LanguageOption = "",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Every verb has --json for programs and --lang en|zh for people."""
    del version, lang  # the verbs find the language by themselves
    if token_file is not None:
        context.with_resource(used(token_file))


# The verbs that work on files and ask no connector, and the option, by its parameter, with which one asks after all.
ASKS_NOBODY: Mapping[str, str] = {
    **dict.fromkeys(("demo", "pilot consent", "pilot permit", "pilot retina", "up"), ""),
    "doctor": "member",
    **dict.fromkeys((path for feature in FEATURES for path in feature.local_verbs), ""),
}


def _refuse_tokens(command: Any) -> None:  # noqa: ANN401 - typer names the type of its commands nowhere in public
    """Refuse a token that would count for nothing, rather than let somebody think that it narrows what is done."""
    for path, asking in ASKS_NOBODY.items():
        verb = command
        for name in path.split():
            verb = getattr(verb, "commands", {}).get(name)
        if verb is not None:  # it is in this tree
            vars(verb)["invoke"] = partial(_without_token, verb.invoke, asking)


def _without_token(invoke: Callable[[typer.Context], Any], asking: str, ctx: typer.Context) -> Any:  # noqa: ANN401 - as above
    if ctx.find_root().params.get("token_file") is not None and not ctx.params.get(asking):
        raise TokenUnusedError(command=ctx.command_path)
    return invoke(ctx)


def language_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--lang` first, wherever it stood: no parser takes it between a group and its verb."""
    words, said, others = list(arguments), list[str](), list[str]()
    while words and words[0] != "--":
        word = words.pop(0)
        if word == "--lang" and words:
            said += [word, words.pop(0)]
        elif word.startswith("--lang="):
            said.append(word)
        else:
            others.append(word)
    return [*said, *others, *words]


def _verb(words: Sequence[str]) -> str:
    """The first word, after `--lang`, that is no option; nothing where another option comes before it."""
    rest = words[2:] if words[:1] == ["--lang"] else words
    return rest[0] if rest else ""


def root(arguments: list[str]) -> int:
    """Run the verb that the arguments name; its exit code."""
    words = language_first(arguments)
    command = typer.main.get_command(own_tree() if _verb(words) in OWN else tree())
    _refuse_tokens(command)
    speak_help(command, speaker(Screen.of(arguments).language))
    return int(command(args=words, prog_name="medspace", standalone_mode=False) or 0)
