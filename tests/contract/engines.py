"""Engines and a source that every runner can make, also in another process."""

import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.errors import InvalidInputError
from medspace.core.material import Form
from medspace.core.parts import Part
from medspace.core.text import Text
from medspace.core.usage import Output
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.heads import BINARY
from medspace.learning.net.images import ImageInput
from medspace.privacy.errors import DisclosureError

KIND = "medspace:train"


@dataclass(frozen=True)
class Numbers:
    """One number for each row."""

    said: tuple[float, ...]
    form: Form = Form.TABLE

    @property
    def count(self) -> int:
        return len(self.said)

    def numbers(self, _column: str) -> tuple[float, ...]:
        return self.said


@dataclass(frozen=True)
class NumbersSource:
    """Opens numbers that it was made with."""

    said: tuple[float, ...]
    form: Form = Form.TABLE

    def open(self, _admission: Any) -> Numbers:
        return Numbers(tuple(self.said))


def numbers(said: list[float]) -> NumbersSource:
    """The source, made of JSON."""
    return NumbersSource(tuple(said))


@dataclass(frozen=True)
class Obedient:
    """Does what the inputs of the step say."""

    kind: str = KIND
    task: str = "obey"
    outputs: tuple[OutputForm, ...] = (OutputForm("count.sum"),)
    steps: tuple[str, ...] = ("sum",)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=lambda: StepLimits(runner="process"))

    def check(self, task: Any) -> None:
        """Anything goes."""

    def protection(self, task: Any) -> str:
        return COORDINATOR_SEES_SUMS

    def answer(self, admission: Any, step: Any, workplace: Any) -> Output:
        values: dict[str, Any] = {"sum": sum(workplace.material.numbers("x")), "seed": admission.seed.hex()}
        return _DEEDS[step.inputs.get("do", "answer")](step.inputs, workplace, values)


def _answer(_inputs, workplace, values):
    return Output("count.sum", values, 3, memory=(workplace.memory or b"") + b"+", hold=True)


def _copy(inputs, workplace, values):
    """The part that the inputs name, twice."""
    with workplace.blobs.open(Part(**inputs["part"])) as asked, workplace.blobs.create("text/plain") as made:
        made.write(asked.read() * 2)
    return Output("count.sum", values, 3, parts=(made.part,))


def _refuse(_inputs, _workplace, _values):
    raise DisclosureError("privacy.few")


def _misread(inputs, _workplace, _values):
    raise InvalidInputError(reason=Text("there is no column {column}", {"column": inputs["column"]}))


def _break(_inputs, _workplace, _values):
    raise ZeroDivisionError("a bug in the engine")


def _exit(_inputs, _workplace, _values):
    raise SystemExit(3)


def _look(_inputs, workplace, values):
    seen = {"environment": sorted(os.environ), "folder": str(Path.cwd()), "mode": oct(Path.cwd().stat().st_mode)}
    seen["descriptors"] = sorted(one.name for one in Path("/proc/self/fd").iterdir())
    seen["session"] = os.getsid(0) == os.getpid()
    seen["core"] = resource.getrlimit(resource.RLIMIT_CORE)
    return Output("count.sum", values | seen, 3)


def _not_finite(_inputs, _workplace, values):
    return Output("count.sum", values | {"odd": [float("nan"), float("inf"), 0.1 + 0.2]}, 3)


def _wait(inputs, workplace, values):
    """Until a file is there, or nobody wants the answer; a note tells that it has begun."""
    begun, go_on = Path(inputs["begun"]), Path(inputs["go_on"])
    with begun.open("a") as note:
        note.write(f"{os.getpid()}\n")
    done, of = inputs.get("progress", (0, 1))
    workplace.progress(done, of)
    while not go_on.exists() and not (inputs.get("polite", True) and workplace.cancelled()):
        time.sleep(0.01)
    workplace.progress(of, of)
    return _seal(inputs["then"], workplace, values) if "then" in inputs else Output("count.sum", values, 3)


def _mail(inputs, _workplace, values):
    return Output("count.sum", values, 3, outbox=inputs["outbox"])


def _seal(inputs, workplace, values):
    keys, peer, label = workplace.keys, inputs["peer"], inputs["label"]
    sealed = keys.seal(peer, label, b"1")
    opened = keys.open(peer, label, inputs.get("sealed", f"{label} "))
    said = {"opened": opened.decode(), "pair": keys.pair(peer, label, b"1", sealed).hex(), "seats": list(keys.seats)}
    return Output("count.sum", values | said, 3, outbox={peer: sealed})


def _sign(inputs, workplace, values):
    keys, label = workplace.keys, inputs["label"]
    outbox = keys.seal_all(dict.fromkeys(inputs["peers"], b"m"), label)
    said = keys.sign(label, b"m")
    proven = keys.proven(keys.seats[1], label, said).decode()
    text, sealed = keys.announce(label, b"to all", dict.fromkeys(inputs["peers"], b"m"))
    heard = keys.announced(keys.seats[1], label, text).decode()
    assert sealed == outbox, "announced as sealed"
    return Output("count.sum", values | {"said": said, "proven": proven, "heard": heard}, 3, outbox=outbox)


def _seal_many(inputs, workplace, values):
    sealed = [workplace.keys.seal(inputs["peer"], "", b"") for _ in range(inputs["count"])]
    sealed.append(workplace.keys.seal(inputs["peer"], "", b"." * inputs["size"])[1:])
    return Output("count.sum", values | {"sealed": sum(map(len, sealed))}, 3)


def _boast(_inputs, workplace, values):
    for done, of in ((float("nan"), 1), (2, 1), (0, 0), (-1, 1), ("much", "more")):
        workplace.progress(done, of)
    return Output("count.sum", values, 3)


def _swell(_inputs, _workplace, values):
    return Output("count.sum", values | {"size": len(bytearray(8 << 30))}, 3)


def _exhaust(_inputs, _workplace, _values):
    raise MemoryError


def _train(inputs, _workplace, values):
    """A step of a net for images, on so many of them at once."""
    network = conv_net(ImageInput(64, 64, 1, (64,)), (), "relu", BINARY)
    images = np.zeros((inputs["images"], network.images.pixels), np.float32)
    slope = network.descent(network.first(1), images, lambda logits: logits)
    return Output("count.sum", values | {"weights": len(slope)}, 3)


_DEEDS = {
    "answer": _answer,
    "copy": _copy,
    "refuse": _refuse,
    "seal": _seal,
    "seal_many": _seal_many,
    "sign": _sign,
    "boast": _boast,
    "mail": _mail,
    "misread": _misread,
    "break": _break,
    "exit": _exit,
    "look": _look,
    "not_finite": _not_finite,
    "wait": _wait,
    "swell": _swell,
    "exhaust": _exhaust,
    "train": _train,
}
