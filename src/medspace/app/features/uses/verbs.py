"""The command for the steps of others on one's own datasets: their state, and what awaits a person."""

import json as encoding
from typing import Annotated

import typer

from medspace.app.doors.cli.listing import MOST, MostOption, listed
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.doors.cli.who import names_of, who_acted
from medspace.app.features.uses import client
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


class StepTwoWishesError(InvalidInputError):
    """Two decisions at once: what is made anew has to be looked at first."""

    code = "step.two_wishes"
    sentence = msgid("An output that is made anew has to be looked at before anybody approves or refuses it.")
    next_step = msgid("Leave out first, then look at the step and decide.")


class StepStateError(InvalidInputError):
    """An unknown state of a step."""

    code = "step.state"
    sentence = msgid("{state} is not a state of a step.")
    next_step = msgid("Use one of these: {states}.")


def steps(
    step: Annotated[str, typer.Argument(help="One step; without it, the newest are listed.")] = "",
    state: Annotated[str, typer.Option("--state", help=f"Only those in one state: {', '.join(_STATES)}.")] = "",
    approve: Annotated[
        bool | None, typer.Option("--approve/--refuse", help="Let the output go that waits for you, or keep it back.")
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", help="Have the output that waits made anew without this part; may be repeated."),
    ] = None,
    comment: Annotated[
        str, typer.Option("--comment", help="Why, for your own people; the user does not see it.")
    ] = "",
    most: MostOption = MOST,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show what others asked of your datasets, step by step; approve, change or refuse an output that waits."""
    if (approve is not None or leave_out) and not step:
        raise StepWishError
    if approve is not None and leave_out:
        raise StepTwoWishesError
    if state and state not in _STATES:
        raise StepStateError(state=state, states=", ".join(_STATES))
    with session(client, config, json=json, language=lang) as (space, screen):
        if leave_out:
            found = space.change_output(step, leave_out=leave_out, comment=comment)
            screen.show(found, lambda: _one(screen, found))
        elif approve is not None:
            found = space.check(step, approve=approve, comment=comment)
            screen.show(found, lambda: _one(screen, found))
        elif step:
            found = space.step(step)
            screen.show(found, lambda: _one(screen, found))
        else:
            listed(screen, "steps", lambda n: space.steps(state, most=n), most, lambda shown: _listed(screen, shown))


def _listed(screen: Screen, shown: list[JsonObject]) -> None:
    title = counted(len(shown), msgid("{count} step"), msgid("{count} steps"))
    screen.blocks(title, [_block(screen, one) for one in shown])


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    facts = {name: one[name] for name in ("dataset", "user", "step", "round", "time")}
    what = Text(msgid("{step} of round {round} on {dataset}, asked by {user} at {time}"), facts)
    stands = screen.say(Text(_STATES[one["state"]]))
    more = [Text(_REASONS[reason]) if reason in _REASONS else Text(reason) for reason in one["held_for"]]
    far = [] if one["progress"] is None else [_far(one["progress"])]
    stood = f"{stands} ({one['code']})" if one["code"] else stands
    said = (screen.say(text) for text in (*far, *more))
    return (one["id"], screen.say(what), stood, *said, *who_acted(screen, one))


def _far(progress: JsonObject) -> Text:
    """The progress of a step, and its estimated remaining time."""
    facts = {name: f"{progress[name]:g}" for name in ("done", "of")}
    if progress["seconds_left"] is None:
        return Text(msgid("{done} of {of} done"), facts)
    return Text(msgid("{done} of {of} done, about {seconds} s left"), facts | {"seconds": progress["seconds_left"]})


def _one(screen: Screen, one: JsonObject) -> None:
    screen.blocks(Text(msgid("One step:")), [_block(screen, one)])
    screen.line(Text(msgid("Asked: {asked}"), {"asked": _written(one["asked"])}))
    for check in one["checks"]:
        screen.line(Text(msgid("  - checked {rule}: {asked}; {found}"), check))
    for part in one["left_out"]:
        screen.line(Text(msgid("  - left out: {words} ({name})"), part))
    for part in one["optional"]:
        screen.line(Text(msgid("  - can be left out: {words} (--leave-out {name})"), part))
    for said in one["comments"]:
        facts = {"name": names_of(screen, said["moved_by"]), "text": said["text"]}
        screen.line(Text(msgid("  - {name} wrote: {text}"), facts))
    if one["output"] is not None:
        screen.line(Text(msgid("Output that waits: {output}"), {"output": _written(one["output"])}))


def _written(said: JsonObject) -> str:
    return encoding.dumps(said, ensure_ascii=False)
