"""What a draft leaves to a person, where a table is offered: by `medspace init` and `medspace offer`."""

from medspace.app.doors.cli.screen import Screen
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid


def show(screen: Screen, told: JsonObject) -> None:
    """What was found, and what is left out: the sentences that `--json` has."""
    for each in told["findings"]:
        if each["column"] in {one["column"] for one in told["left_out"]} and each["kind"] in ("cells", "identifying"):
            continue  # said below, with its next step
        place = f"{each['column']}: " if each["column"] else ""
        screen.line(Text("{place}{said}", {"place": place, "said": each["sentence"]}))
        _step(screen, each["next_step"])
    for each in told["left_out"]:
        screen.line(Text(msgid("Column {column} is left out of the dictionary: {reason}."), each))
        for one in told["findings"]:
            if one["column"] == each["column"] and one["kind"] in ("cells", "identifying"):
                _step(screen, one["next_step"])


def _step(screen: Screen, step: str | None) -> None:
    if step:
        screen.line(Text("    {step}", {"step": step}))
