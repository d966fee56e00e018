"""The pinned packages with the hashes of their files: a selection for pip, and the file written anew.

    python tools/pins.py demo           the pins that an extra needs, as a requirements file on standard output
    python tools/pins.py --write        resolve again and rewrite constraints.txt (needs uv; versions stay)

pip checks hashes only where every requirement has one, and a project in a folder cannot have any: so the packages are
installed first (`pip install --require-hashes --no-deps -r FILE`), and medspace afterwards without its dependencies.
It runs in an empty environment, hence with the standard library only.
"""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "constraints.txt"
# What an extra needs, by the sections of the file; `build` is what makes a package of a folder.
SELECTIONS: Mapping[str, tuple[str, ...]] = {
    "core": ("core", "build"),
    "data": ("core", "build", "data"),
    "demo": ("core", "build", "data", "demo"),
    "postgres": ("core", "build", "postgres"),
    "images": ("core", "build", "data", "images"),
    "imaging": ("core", "build", "data", "images", "dp", "imaging"),  # sympy of PyTorch wants mpmath, as dp does
    "dp": ("core", "build", "dp"),
    "oidc": ("core", "build", "oidc"),
    "rdf": ("core", "build", "rdf"),
    "dev": ("core", "build", "data", "demo", "postgres", "images", "dp", "oidc", "rdf", "dev"),
}
BESIDE_DEV = ("imaging",)  # its wheels are large
CUDA = ("cuda-", "nvidia-", "triton")  # what PyTorch needs of a graphics card
# On Linux and x86-64 the index has PyTorch for CUDA only, which does not start without those. Its own build for
# the processor (here for CPython 3.11) takes its place by its version: of two files of one version, pip takes the one
# whose hash the index tells.
HASH_FOR_PROCESSOR = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"
PROCESSOR = {"torch": f"torch==2.13.0+cpu \\\n    --hash=sha256:{HASH_FOR_PROCESSOR}"}
BUILD = "hatchling\neditables\n"  # hatchling makes an editable install with it, and says so only when it is asked to
_SECTION = re.compile(r"^# --- (\w+)$", re.MULTILINE)
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;]+).*(?:\n +.*)*", re.MULTILINE)
_RESOLVE = (
    "pip compile --no-config --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet "
    "--no-emit-index-url --default-index https://pypi.org/simple --constraint constraints.txt"
)


def sections(text: str) -> Mapping[str, Mapping[str, str]]:
    """The pins of each section of the file: by the name of the package, as they are written."""
    parts = _SECTION.split(text)
    return {name: pins(part) for name, part in zip(parts[1::2], parts[2::2], strict=True)}


def pins(text: str) -> Mapping[str, str]:
    """Each pin of a requirements file, with its hashes, by the name of its package.

    Raises:
        ValueError: a package has two versions, for different Pythons: one that serves all belongs in pyproject.toml.
    """
    made: dict[str, str] = {}
    for found in _PIN.finditer(text):
        name = found["name"].lower()
        if name in made:
            raise ValueError(f"{name} has two versions")
        made[name] = found[0].rstrip(" \\\n")
    return made


def selected(text: str, extra: str, machine: tuple[str, str] = (sys.platform, platform.machine())) -> str:
    """The requirements file of an extra for a machine: its system and its processor.

    Raises:
        KeyError: there is no such extra.
    """
    found = sections(text)
    instead = PROCESSOR if machine == ("linux", "x86_64") else {}
    wanted = (one for section in SELECTIONS[extra] for one in found[section].items())
    return "".join(f"{instead.get(name, pin)}\n" for name, pin in wanted)


def written() -> str:
    """The file as it is resolved now: each package, with its hashes, in the first section that needs it."""
    head = _SECTION.split(PINS.read_text(encoding="utf-8"))[0]
    text, known = head, set[str]()
    for section in (*SELECTIONS["dev"], *BESIDE_DEV):
        found = {
            name: pin
            for name, pin in pins(_resolved(section)).items()
            if name not in known and not name.startswith(CUDA)
        }
        known |= found.keys()
        text += f"# --- {section}\n" + "".join(f"{pin}\n" for pin in found.values())
    return text


def _resolved(section: str) -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise SystemExit("tools/pins.py --write needs uv: https://docs.astral.sh/uv/")
    source, given = "pyproject.toml", None
    if section == "build":
        source, given = "-", BUILD
    extra = ["--extra", section] if section not in ("core", "build") else []
    command = [uv, *_RESOLVE.split(), *extra, source]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=True).stdout  # noqa: S603


def main(arguments: list[str]) -> int:
    """Print a selection, or write the file; the exit code."""
    if arguments == ["--write"]:
        PINS.write_text(written(), encoding="utf-8")
        return 0
    if len(arguments) != 1 or arguments[0] not in SELECTIONS:
        sys.stderr.write(f"{__doc__}\nextras: {', '.join(SELECTIONS)}\n")
        return 2
    sys.stdout.write(selected(PINS.read_text(encoding="utf-8"), arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
