"""The command that shows one dataset: its dictionary, its offers, and the possible next steps."""

from pathlib import Path
from typing import Annotated

import typer

from medspace.app.doors.cli.naming import TYPES
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption, following
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.terms import client
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import bound_shown
from medspace.core.instants import last_day
from medspace.core.text import Text, counted, msgid

_LABEL = {
    "purposes": msgid("for the purposes {said}"),
    "kinds": msgid("for the uses {said}"),
    "regions": msgid("for users in {said}"),
    "valid_from": msgid("from {said} on"),
    "valid_until": msgid("until {said}"),
}


def show(
    names: Annotated[
        list[str], typer.Argument(metavar="[PARTICIPANT] DATASET", help="Your own dataset, or a DID and its dataset.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Show a dataset: who offers it, what each column means, on which terms, and what you may do next."""
    if len(names) > 2:  # noqa: PLR2004 - a participant and a dataset
        raise typer.BadParameter("PARTICIPANT DATASET")
    participant, dataset = names if len(names) > 1 else ("", names[0])
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.show(dataset, participant=participant)
        screen.show(found, lambda: _shown(screen, found, config))


def _shown(screen: Screen, one: JsonObject, config: Path) -> None:
    screen.line(Text(msgid("{title} ({dataset})"), one))
    facts = {"name": one["participant_name"] or "-", "participant": one["participant"]}
    screen.line(Text(msgid("Offered by {name} ({participant})."), facts))
    if not one["offered"]:
        screen.line(Text(msgid("It is not in the catalogue now: nobody can agree on it.")))
    if one["description"]:
        screen.line(Text("{description}", one))
    if one["persons_about"] is not None:
        screen.line(Text(msgid("About {count} patients, which only you are told."), {"count": one["persons_about"]}))
    told = one["figures"]
    if told["persons"] is not None:
        screen.line(_patients(told))
    for reach in one["reached"]:
        screen.line(_reached(reach))
    _columns(screen, one)
    _offers(screen, one)
    _label(screen, one)
    screen.line(Text(msgid("Not published:")))
    for sentence in one["unpublished"]:
        screen.line(Text("  - {sentence}", {"sentence": sentence}))
    held = counted(len(one["agreements"]), msgid("{count} agreement"), msgid("{count} agreements"))
    screen.line(Text(msgid("In force on it: {agreements}."), {"agreements": held}))
    for command in one["next"]:
        screen.line(following(command, config))


def _patients(told: JsonObject) -> Text:
    if told["persons_step"] is None:
        return Text(msgid("{persons} patients, as its holder says."), told)
    return Text(msgid("About {persons} patients, in steps of {persons_step}."), told)


def _reached(one: JsonObject) -> Text:
    if not one["count"]:
        return Text(msgid("By consent, fewer than 10 patients for: {words}."), one)
    return Text(msgid("By consent, about {count} patients for: {words}."), one)


def _columns(screen: Screen, one: JsonObject) -> None:
    if not one["columns"]:
        return
    heads = [Text(msgid("column")), Text(msgid("type")), Text(msgid("unit")), Text(msgid("values"))]
    heads += [Text(msgid("not measured")), Text(msgid("description"))]
    title = counted(len(one["columns"]), msgid("{count} column"), msgid("{count} columns"))
    rows = []
    for column in one["columns"]:
        kind = screen.say(Text(TYPES[column["type"]])) if column.get("type") in TYPES else column.get("type", "")
        name, said = column.get("name", ""), column.get("description", "")
        if name and name == one["person"]:
            said = f"{said} {screen.say(Text(msgid('(names the patients: counted, never told)')))}".strip()
        missing = ", ".join(column.get("missing", ()))
        if name in one["figures"]["missing"]:
            missing = f"{missing} {screen.say(_share(one['figures'], name))}".strip()
        rows.append((name, kind, column.get("unit", ""), _values(screen, column), missing, said))
    screen.table(title, heads, rows)


def _share(told: JsonObject, column: str) -> Text:
    facts = {"percent": told["missing"][column], "step": told["missing_step"] or 1}
    return Text(msgid("(missing for about {percent} % of the patients, in steps of {step} %)"), facts)


def _values(screen: Screen, column: JsonObject) -> str:
    """What a column may hold: its codes with their meaning, or its range."""
    codes = [f"{code} = {means}" if means else code for code, means in column.get("codes", {}).items()]
    if column.get("others"):
        codes.append(screen.say(Text(msgid("and others that few have"))))
    low, high = (bound_shown(column.get(end, "")) for end in ("minimum", "maximum"))
    return ", ".join(codes) or (f"{low or '…'} – {high or '…'}" if low or high else "")


def _offers(screen: Screen, one: JsonObject) -> None:
    for offer in one["offers"]:
        if not offer["usable"]:
            screen.line(Text(msgid("Offer {id} allows and forbids nothing: nobody can agree to it."), offer))
            continue
        screen.line(Text(msgid("Offer {id}:"), offer))
        for sentence in offer["contract"]:
            screen.line(Text("  - {sentence}", {"sentence": sentence}))


def _label(screen: Screen, one: JsonObject) -> None:
    """What the holder's label allows, whatever an offer says; only its holder sees it."""
    if one["label"] is None:
        return
    lines = []
    for name, sentence in _LABEL.items():
        said = one["label"].get(name)
        if said:
            said = last_day(said) if name == "valid_until" else said
            lines.append(Text(sentence, {"said": screen.typed(*said) if isinstance(said, list) else str(said)}))
    if not lines:
        screen.line(Text(msgid("Its label allows nothing.")))
        return
    screen.line(Text(msgid("Its label allows it, whatever an offer says, only:")))
    for line in lines:
        screen.line(Text("  - {line}", {"line": line}))
