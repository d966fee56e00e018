"""What the process of a step does, without a process."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from medspace.adapters.runner import child, recipe_of
from medspace.adapters.runner.line import LineClient, LinePeers, PeersAbsentError
from medspace.adapters.runner.papers import Order, read_order, read_result, write_order, write_result
from medspace.adapters.system import SystemClock
from medspace.core.engine import RunTerms, StepLimits
from medspace.core.parts import Part
from medspace.core.usage import Brakes, HolderNote, HolderNoteKind, Output, RowScope, Step
from medspace.privacy.errors import DisclosureError
from tests.admissions import admission
from tests.contract.engines import Obedient, numbers

ORDER = Order(
    admission(
        history=(Step({"l2": 0.1}, 1, "sum", {"x": [1.5]}),),
        scope=(RowScope("sex", frozenset({"f"})),),
        budget={"epsilon": "1/3"},
        brakes=Brakes(once=False),
    ),
    Step({"task": "obey"}, 2, "sum", {"beta": [0.1 + 0.2]}),
    StepLimits(seconds=5, runner="process"),
    recipe_of(Obedient),
    recipe_of(numbers, said=[1.0]),
    recipe_of(SystemClock),
    b"memory",
)

NOBODY = LineClient(Path("nowhere"), lambda: False)


TERMS = RunTerms("sha256:" + "0" * 64, "did:web:user.example", 2)


def test_an_order_is_read_as_it_was_written_and_nobody_else_reads_it(tmp_path):
    write_order(tmp_path, ORDER)
    assert read_order(tmp_path) == ORDER
    assert (tmp_path / "work.json").stat().st_mode & 0o777 == 0o600
    assert "memory" not in repr(ORDER)


@pytest.mark.parametrize(
    "output",
    [
        Output(
            "count.sum", {"a": [1, 2.5, None, "x"]}, 4, (Part("0" * 64, "application/json", 3),), b"\x00", hold=True
        ),
        Output("count.sum", {}, 0),
        Output("count.sum", {}, 0, outbox={"did:web:b.example": "sealed"}),
        Output("count.sum", {}, 0, noted={"survivors": "sha256:0"}, record=b"kept"),
        Output(
            "count.sum",
            {},
            0,
            notes=(HolderNote(HolderNoteKind.OUTSIDE, 3, 9, "chol"), HolderNote(HolderNoteKind.SHORTENED, 0, 1)),
        ),
        Output("count.sum", {}, 0, worded=Step({"task": "obey"}, 1, "sum", {"x": [1.5]})),
    ],
)
def test_a_result_is_read_as_it_was_written(tmp_path, output):
    write_result(tmp_path, output)
    assert read_result(tmp_path) == output


def test_what_it_does_is_an_output_or_an_error():
    order = replace(ORDER, admission=admission())
    assert child.do(order, lambda: False, NOBODY).values["sum"] == 1.0
    refused = replace(order, step=Step({"task": "obey"}, 1, "sum", {"do": "refuse"}))
    assert isinstance(child.do(refused, lambda: False, NOBODY), DisclosureError)


def test_a_step_that_is_ended_asks_nobody_any_more(tmp_path):
    peers = LinePeers(
        ("did:web:a.example", "did:web:b.example"), "did:web:a.example", TERMS, LineClient(tmp_path, lambda: True)
    )
    with pytest.raises(PeersAbsentError):
        peers.seal("did:web:b.example", "seed", b"")


def test_it_goes_from_the_work_to_the_result(tmp_path, monkeypatch):
    write_order(tmp_path, replace(ORDER, admission=admission()))
    monkeypatch.chdir(tmp_path)
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    monkeypatch.setattr(child.sys, "argv", ["child", str(lock)])
    limited, handled = [], {}
    monkeypatch.setattr(child, "limit", lambda limits, _largest: limited.append(limits))
    monkeypatch.setattr(child.signal, "signal", handled.__setitem__)
    child.main()
    assert limited == [ORDER.limits]
    assert read_result(tmp_path).memory == b"memory+"
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert handled[signal.SIGINT] is signal.SIG_IGN
    (tmp_path / "result.json").unlink()
    monkeypatch.setattr(child, "do", lambda _order, _cancelled, _line: handled[signal.SIGTERM](signal.SIGTERM, None))
    child.main()  # who is told to end leaves no result
    assert not (tmp_path / "result.json").exists()
    os.close(lock)


def test_its_limits_are_never_above_those_that_it_has(monkeypatch):
    set_, alarms = {}, []
    monkeypatch.setattr(child.resource, "getrlimit", lambda which: (0, 100))
    monkeypatch.setattr(child.resource, "setrlimit", set_.__setitem__)
    monkeypatch.setattr(child.signal, "alarm", alarms.append)
    child.limit(StepLimits(seconds=1.5, megabytes=1))
    assert set(set_.values()) <= {(0, 0), (100, 100), (2 * (os.cpu_count() or 1),) * 2}
    assert alarms == [2 + child.LATE]
