"""Nothing is installed whose hash is not written down, and what is written down is enough."""

import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import pins

TEXT = pins.PINS.read_text(encoding="utf-8")


def closure(wanted):
    """Every package that these requirements bring here, by its name."""
    found, queue = set(), [(Requirement(line), "") for line in wanted]
    while queue:
        requirement, _ = queue.pop()
        name = canonicalize_name(requirement.name)
        for extra in requirement.extras or {""}:
            if (name, extra) in found:
                continue
            found.add((name, extra))
            for line in requires(requirement.name) or ():
                inner = Requirement(line)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    queue.append((inner, extra))
    return {name for name, _ in found}


def test_every_pin_has_a_hash():
    found = [pin for section in pins.sections(TEXT).values() for pin in section.values()]
    assert len(found) == TEXT.count("==") - TEXT.count(" == ") > 80
    assert [pin for pin in found if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", pin)] == []
    assert TEXT.count("sha256:") == len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", TEXT, re.MULTILINE))


def test_a_package_with_one_version_a_python_is_not_halved():
    """What a resolver says of two Pythons would otherwise be one line, and the other Python would have none."""
    one = "one==2.0 ; python_full_version >= '3.12' \\\n    --hash=sha256:00\n"
    assert list(pins.pins(one)) == ["one"]
    with pytest.raises(ValueError, match="one has two versions"):
        pins.pins(one + one.replace("2.0", "1.0").replace(">=", "<"))


@pytest.mark.parametrize("extra", list(pins.SELECTIONS))
def test_a_selection_has_all_that_its_extra_needs(extra):
    if extra in pins.BESIDE_DEV and find_spec("torch") is None:
        pytest.skip(f"the extra {extra} is not installed: make .venv/{extra}")
    wanted = ["hatchling", "medspace" if extra == "core" else f"medspace[{extra}]"]
    selection = pins.pins(pins.selected(TEXT, extra))
    assert sorted(closure(wanted) - {canonicalize_name(name) for name in selection} - {"medspace"}) == []


def test_what_is_installed_here_is_what_is_pinned():
    extra = "dev" if find_spec("torch") is None else "imaging"
    for name, pin in (pins.pins(pins.selected(TEXT, "dev")) | pins.pins(pins.selected(TEXT, extra))).items():
        try:
            here = version(name)
        except PackageNotFoundError:  # another platform's, or a tool of the build
            continue
        assert re.search(rf"=={re.escape(here.split('+')[0])}(\+\w+)? ", pin)  # a build of the same version


@pytest.mark.parametrize(
    ("machine", "version"),
    [(("linux", "x86_64"), "2.13.0+cpu"), (("linux", "aarch64"), "2.13.0"), (("darwin", "x86_64"), "2.13.0")],
)
def test_pytorch_is_the_build_that_starts_without_cuda(machine, version):
    """On Linux and x86-64 the package index has it with CUDA only; what that needs beside it is not pinned."""
    found = pins.pins(pins.selected(TEXT, "imaging", machine))
    assert found["torch"].startswith(f"torch=={version} \\\n    --hash=sha256:")
    assert not [name for name in found if name.startswith(pins.CUDA)]


def test_the_selection_is_printed_for_pip_by_the_standard_library_alone():
    command = [sys.executable, "-I", "-S", str(pins.ROOT / "tools" / "pins.py")]
    done = subprocess.run([*command, "core"], capture_output=True, text=True, check=True)
    assert pins.pins(done.stdout).keys() >= {"numpy", "hatchling"}
    assert "pytest" not in pins.pins(done.stdout)
    assert subprocess.run([*command, "nothing"], capture_output=True, check=False).returncode == 2


def test_make_installs_by_hash_and_nothing_else():
    makefile = (pins.ROOT / "Makefile").read_text(encoding="utf-8")
    assert "$(PIP) --require-hashes --requirement .venv/pins.txt" in makefile
    assert re.search(r"^PIP := .*--no-deps", makefile, re.MULTILINE)
    assert len(re.findall(r"^@\$\(PIP\)", makefile, re.MULTILINE)) == 2


def wheel(folder):
    """The smallest wheel there is."""
    file = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("tiny.py", "")
        made.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        made.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nTag: py3-none-any\n")
        made.writestr("tiny-1.dist-info/RECORD", "")
    return sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("right", [True, False])
def test_a_file_with_another_hash_is_not_installed(tmp_path, right):
    found = wheel(tmp_path)
    (tmp_path / "pins.txt").write_text(f"tiny==1 \\\n    --hash=sha256:{found if right else '0' * 64}\n")
    makefile = (pins.ROOT / "Makefile").read_text(encoding="utf-8")
    options = re.search(r"^PIP := \S+ -m pip (install .*)$", makefile, re.MULTILINE)[1].split()
    command = [sys.executable, "-m", "pip", *options, "--require-hashes", "--requirement", str(tmp_path / "pins.txt")]
    command += ["--isolated", "--no-index", "--find-links", str(tmp_path), "--target", str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is right, done.stderr
    assert (tmp_path / "there" / "tiny.py").exists() is right
