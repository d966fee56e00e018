"""The verb on the steps of others on one's own datasets: how they stand, and what waits for a person."""

import json as encoding
from typing import Annotated

import typer

from medspace.app.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.cli.session import session
from medspace.app.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, counted, msgid

HELD = "held"
_STATES = {
    "working": msgid("it is being worked on"),
    HELD: msgid("it waits for you"),
    "released": msgid("it was released"),
    "withheld": msgid("it was kept back"),
    "refused": msgid("it was refused"),
    "failed": msgid("it failed"),
}

_REASONS = {
    "use.engine": msgid("held: its engine wants a person to look"),
    "label.review": msgid("held: the label of the dataset wants a person to look at each result"),
}


class StepWishError(InvalidInputError):
    """A decision names no step."""

    code = "step.wish"
    sentence = msgid("No step is named for the decision.")
    next_step = msgid("Name one: `medspace steps --state held` lists those that wait.")


class StepStateError(InvalidInputError):
    """A state that no step has."""

    code = "step.state"
    sentence = msgid("{state} is not a state of a step.")
    next_step = msgid("Use one of these: {states}.")


def steps(
    step: Annotated[str, typer.Argument(help="One step; without it, the newest are listed.")] = "",
    state: Annotated[str, typer.Option("--state", help=f"Only those in one state: {', '.join(_STATES)}.")] = "",
    approve: Annotated[
        bool | None, typer.Option("--approve/--refuse", help="Let the output go that waits for you, or keep it back.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show what others asked of your datasets, step by step; approve or refuse an output that waits for a person."""
    if approve is not None and not step:
        raise StepWishError
    if state and state not in _STATES:
        raise StepStateError(state=state, states=", ".join(_STATES))
    with session(config, json=json, language=lang) as (space, screen):
        if approve is not None:
            found = space.check(step, approve=approve)
            screen.show(found, lambda: _one(screen, found))
        elif step:
            found = space.step(step)
            screen.show(found, lambda: _one(screen, found))
        else:
            listed = space.steps(state)
            screen.show({"steps": listed}, lambda: _listed(screen, listed))


def _listed(screen: Screen, listed: list[JsonObject]) -> None:
    title = counted(len(listed), msgid("{count} step"), msgid("{count} steps"))
    screen.blocks(title, [_block(screen, one) for one in listed])


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: one[name] for name in ("dataset", "user", "step", "round", "time")}
    what = Text(msgid("{step} of round {round} on {dataset}, asked by {user} at {time}"), facts)
    stands = screen.say(Text(_STATES[one["state"]]))
    more = [Text(_REASONS[reason]) if reason in _REASONS else Text(reason) for reason in one["held_for"]]
    far = [] if one["progress"] is None else [_far(one["progress"])]
    stood = f"{stands} ({one['code']})" if one["code"] else stands
    return (one["id"], screen.say(what), stood, *(screen.say(text) for text in (*far, *more)))


def _far(progress: JsonObject) -> Text:
    """How far a step is, and how long it may take still."""
    facts = {name: f"{progress[name]:g}" for name in ("done", "of")}
    if progress["seconds_left"] is None:
        return Text(msgid("{done} of {of} done"), facts)
    return Text(msgid("{done} of {of} done, about {seconds} s left"), facts | {"seconds": progress["seconds_left"]})


def _one(screen: Screen, one: JsonObject) -> None:
    screen.blocks(Text(msgid("One step:")), [_block(screen, one)])
    screen.line(Text(msgid("Asked: {asked}"), {"asked": _written(one["asked"])}))
    if one["output"] is not None:
        screen.line(Text(msgid("Output that waits: {output}"), {"output": _written(one["output"])}))


def _written(said: JsonObject) -> str:
    return encoding.dumps(said, ensure_ascii=False)
