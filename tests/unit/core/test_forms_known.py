"""Forms that threads read first at the same time: without `know_forms` the process dies of it."""

import subprocess
import sys

PROGRAM = """
import dataclasses, sys, threading, types
import msgspec
from medspace.core.decoding import know_forms

sys.setswitchinterval(1e-6)

def forms(number):
    inner = [msgspec.defstruct(f"I{i}", [(f"f{j}", int, 0) for j in range(6)]) for i in range(30)]
    outer = dataclasses.make_dataclass("Outer", [(f"x{i}", list[form]) for i, form in enumerate(inner)])
    module = types.ModuleType("medspace.forms")
    module.Outer = outer
    sys.modules["medspace.forms"] = module
    return outer

def read(form, barrier):
    barrier.wait()
    msgspec.convert({f"x{i}": [{"f0": 1}] for i in range(30)}, form)

for number in range(100):
    form, barrier = forms(number), threading.Barrier(4)
    if sys.argv[1] == "known":
        know_forms()
    threads = [threading.Thread(target=read, args=(form, barrier)) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""


def test_forms_that_are_known_are_read_by_threads_at_once():
    assert subprocess.run([sys.executable, "-c", PROGRAM, "known"], check=False).returncode == 0


def test_what_a_module_of_another_program_has_is_left_alone():
    """And a class that no JSON is read as is no error."""
    code = "import medspace.app.compose; from medspace.core.decoding import know_forms; know_forms(); know_forms()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
