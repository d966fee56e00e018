"""`--help` in the language of the reader: what a verb says of itself is translated when it is shown, not before.

Everything that help shows goes through one function, `say`: `tools.messages` passes one that listens, and so knows
every sentence that needs a translation. A paragraph is one sentence of the catalogue.
"""

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, TypeAlias

from medspace.app.doors.cli.wrapping import break_between_characters
from medspace.core.text import msgid

Say: TypeAlias = Callable[[str], str]

# What typer.rich_utils writes around the texts of a verb, by the name of its constant.
_FRAME = {
    "ARGUMENTS_PANEL_TITLE": msgid("Arguments"),
    "OPTIONS_PANEL_TITLE": msgid("Options"),
    "COMMANDS_PANEL_TITLE": msgid("Commands"),
    "DEFAULT_STRING": msgid("[default: {value}]"),
    "ENVVAR_STRING": msgid("[env var: {value}]"),
    "REQUIRED_LONG_STRING": msgid("[required]"),
}
_USAGE = msgid("Usage:")


def speak_help(command: Any, say: Say) -> None:  # noqa: ANN401 - typer names the type of its commands nowhere in public
    """Let a command, and all below it, show their help through `say`."""
    for one in with_all_below(command):
        vars(one)["format_help"] = partial(_format_help, one, say)


def with_all_below(command: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    """A command and the commands below it."""
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from with_all_below(below)


def _format_help(command: Any, say: Say, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
    del formatter  # rich writes by itself
    from typer import rich_utils  # noqa: PLC0415 - rich is imported only where help is shown

    break_between_characters()
    with _framed(rich_utils, say):
        markup = command.rich_markup_mode
        rich_utils.rich_format_help(obj=spoken(command, ctx, say), ctx=ctx, markup_mode=markup)


@contextmanager
def _framed(module: ModuleType, say: Say) -> Iterator[None]:
    before = {name: getattr(module, name) for name in _FRAME}
    vars(module).update({name: say(text).replace("{value}", "{}") for name, text in _FRAME.items()})
    try:
        yield
    finally:
        vars(module).update(before)


def spoken(command: Any, ctx: Any, say: Say) -> Any:  # noqa: ANN401 - as above
    """The same command with all that its help shows in the words of `say`."""
    made = _said(command, say)
    options = [_said_parameter(one, ctx, say) for one in command.get_params(ctx)]

    def format_usage(ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        pieces = [say(command.options_metavar)]
        pieces += [piece for one in options for piece in one.get_usage_pieces(ctx)]
        pieces += [say(command.subcommand_metavar)] if hasattr(command, "commands") else []
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=f"{say(_USAGE)} ")

    vars(made).update(get_params=lambda _: options, format_usage=format_usage)
    if hasattr(command, "commands"):
        vars(made)["commands"] = {name: _said(below, say) for name, below in command.commands.items()}
    return made


def _said(one: Any, say: Say) -> Any:  # noqa: ANN401 - as above
    """A command or parameter with its help in the words of `say`."""
    made = copy.copy(one)
    paragraphs = [" ".join(part.split()) for part in inspect.cleandoc(one.help or "").split("\n\n")]
    vars(made)["help"] = "\n\n".join(say(part) for part in paragraphs if part)
    return made


def _said_parameter(one: Any, ctx: Any, say: Say) -> Any:  # noqa: ANN401 - as above
    made, kind = _said(one, say), one.display_type_rich(ctx)
    if one.param_type_name == "argument":  # what stands for it in the usage
        vars(made)["name"] = say(one.name)
    vars(made)["display_type_rich"] = lambda *_, **__: say(kind) if kind else kind
    return made
