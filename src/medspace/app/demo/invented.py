"""Four small hospitals with invented patients, to train with when trying out one's own table.

Each is set up as `medspace init` does it, on the terms that it proposes, except that negotiations are answered
automatically, and that more questions are answered than a real hospital would, since the rows belong to nobody.
"""

import csv
import io
import math
import random
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from medspace.adapters.filenames import is_there
from medspace.adapters.keys import make_folder
from medspace.adapters.logs import configure_logs
from medspace.adapters.ownership import write_owned
from medspace.app.compose.sdk import connect
from medspace.app.demo.space import Party, free_ports
from medspace.app.demo.story import (
    PORTS,
    DemoFolderError,
    admit,
    running,
    say_how_to_start_again,
    wait_for_the_end,
)
from medspace.app.doors.cli.screen import Screen
from medspace.app.features.setup.service import Wishes, set_up
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, msgid

DATASET = "patients"
PATIENTS = 180
QUESTIONS = 200
COLUMNS = ("patient", "age", "sex", "systolic", "hba1c", "readmitted")
HOSPITALS = (
    ("north", "Invented Hospital North", "SE"),
    ("east", "Invented Hospital East", "PL"),
    ("south", "Invented Hospital South", "IT"),
    ("west", "Invented Hospital West", "IE"),
)


def patients(seed: int) -> str:
    """The invented patients of one hospital (CSV), the same at each call; columns as in examples/first-steps."""
    chance = random.Random(seed)  # noqa: S311 - nobody's data, and the same for everybody
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in range(1, PATIENTS + 1):
        age, systolic, hba1c = chance.randint(40, 90), round(chance.gauss(128, 14)), round(chance.gauss(6.2, 0.8), 1)
        risk = 0.05 * (age - 65) + 0.02 * (systolic - 128) + 0.6 * (hba1c - 6.2) - 0.4
        readmitted = int(chance.random() < 1 / (1 + math.exp(-risk)))
        writer.writerow((f"{seed}{number:04}", age, chance.choice("fm"), systolic, hba1c, readmitted))
    return text.getvalue()


def parties(ports: Sequence[int]) -> tuple[Party, ...]:
    """The six parties, with two ports each from a range of twelve: authority and company first."""
    pairs = list(zip(ports[::2], ports[1::2], strict=True))
    return (
        Party("authority", "Invented Authority", "BE", "authority", pairs[0]),
        Party("company", "Invented Company", "FR", "user", pairs[1]),
        *(Party(*named, "holder", pair) for named, pair in zip(HOSPITALS, pairs[2:], strict=True)),
    )


def lay_out(folder: Path, members: Sequence[Party]) -> dict[str, Path]:
    """Write the keys, tables and configurations of all parties below a folder; returns each configuration file."""
    make_folder(folder)
    authority, *others = members
    first = set_up(folder / authority.key, Wishes(authority.name, authority.ports[0], region=authority.region))
    files = {authority.key: Path(first["config"])}
    for seed, party in enumerate(others, start=1):
        table = None
        if party.role == "holder":
            make_folder(folder / party.key)
            table = folder / party.key / f"{DATASET}.csv"
            write_owned(table, patients(seed))
        wishes = Wishes(
            party.name,
            party.ports[0],
            first["did"],
            first["authority_key"],
            party.region,
            table,
            person=COLUMNS[0] if table else "",
            questions=QUESTIONS,
            answers="automatic",
        )
        files[party.key] = Path(set_up(folder / party.key, wishes)["config"])
    return files


def run_invented(screen: Screen, *, folder: Path | None, port: int, stay: bool) -> None:
    """Start the space, let the company agree with the four hospitals, and keep it running with `stay`."""
    configure_logs("error", "text")
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # exits like Ctrl-C, so that a temporary folder is deleted, keys and all
    with ExitStack() as stack:
        if folder is not None and is_there(folder) and any(folder.iterdir()):
            raise DemoFolderError(folder=str(folder))
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="medspace-invented-")))
        members = parties(range(port, port + PORTS) if port else free_ports(PORTS))
        configs = lay_out(home, members)
        stack.enter_context(running(list(configs.values())))
        spaces = {
            key: stack.enter_context(connect(file, language=screen.language, owner=True))
            for key, file in configs.items()
        }
        admit(members, spaces)
        holders = [party for party in members if party.role == "holder"]
        agreed = [spaces["company"].negotiate(party.did, DATASET) for party in holders]
        result: JsonObject = {
            "authority": members[0].did,
            "hospitals": [{"name": party.name, "did": party.did, "dataset": DATASET} for party in holders],
            "agreements": [agreement["agreement"] for agreement in agreed],
            "configs": {key: str(file) for key, file in configs.items()},
        }
        screen.show(result, lambda: _show(screen, result, configs))
        if stay or folder is not None:
            say_how_to_start_again(screen, folder)
        if stay:
            wait_for_the_end(screen)


def _show(screen: Screen, result: JsonObject, configs: Mapping[str, Path]) -> None:
    facts: dict[str, Fact | Text] = {"count": len(result["hospitals"]), "patients": PATIENTS, "dataset": DATASET}
    screen.line(
        Text(msgid("{count} invented hospitals with {patients} invented patients each offer {dataset}."), facts)
    )
    screen.line(
        Text(msgid("The company has a contract with each; the authority is {did}."), {"did": result["authority"]})
    )
    screen.line(Text(msgid("Set up your own hospital beside them, in another terminal; or train at these:")))
    task = "examples/first-steps/task.toml"
    for command in (
        f"medspace init hospital --port 8200 --authority {result['authority']} --offer FILE --person COLUMN",
        f"medspace train {task} --dataset {DATASET} --config {configs['company']}",
    ):
        screen.line(Text("  {command}", {"command": command}))
