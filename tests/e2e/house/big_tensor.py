"""Stand-in (f): a tensor too large for any message is asked and answered; each party is a process of its own.

A run hands it to all hospitals, each multiplies it, and what comes back is added up block by block.

live(CONFIG)    runs a connector that scales tensors, and leads runs that have them scaled
ask(CONFIG)     the same; each line on its input is one exchange by hand, and so is each on its output
"""

import asyncio
import json
import signal
import sys
import time
from array import array
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medspace.adapters.http.peers import JobClient
from medspace.app.compose.connector import ALGORITHMS, ENGINES, Connector, ConnectorParts, open_connector
from medspace.app.compose.serve import serve
from medspace.app.node.config import read_config
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.material import Form
from medspace.core.parts import Blobs, Keeping, Part
from medspace.core.tensors import MEDIA_TYPE, abreast, blocks, head, read_head
from medspace.core.text import Text
from medspace.core.usage import Output, Step
from medspace.runs.errors import AnswerInvalidError
from medspace.runs.ports import Demands, Question, Result
from tests.runs import manifest_of, signed

TRAIN, SCALE = "medspace:train", "scale"
BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Scaling:
    """Multiplies the tensor `x` of the question by the factor that the task has for this holder, block by block."""

    kind: str = TRAIN
    task: str = SCALE
    outputs: tuple[OutputForm, ...] = (OutputForm("scale.scaled"),)
    steps: tuple[str, ...] = ("scale",)
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)

    def check(self, task):
        """Any factors will do."""

    def protection(self, task):
        """Each site's answer is seen by whoever asks."""
        return COORDINATOR_SEES_SUMS

    def answer(self, admission, step, workplace):
        (asked,) = step.parts
        factor = step.task["factors"][admission.holder]
        with workplace.blobs.open(asked) as source, workplace.blobs.create(MEDIA_TYPE) as made:
            tensor = read_head(source, asked.size)["x"]
            made.write(head({"x": (tensor.dtype, tensor.shape)}))
            for block in blocks(source, tensor, BLOCK):
                made.write(scaled(block, factor))
        rows = workplace.material
        return Output("scale.scaled", {"tensors": 1}, rows.count, parts=(made.part,))


def scaled(block: bytes, factor: float) -> bytes:
    """Doubles, multiplied."""
    if factor == 1:
        return block
    numbers = array("d")
    numbers.frombytes(block)
    return array("d", [number * factor for number in numbers]).tobytes()


@dataclass
class Adding:
    """Adds up what came, one block of each answer in memory."""

    blobs: Blobs
    parts: list = field(default_factory=list)
    sites: list = field(default_factory=list)

    def add(self, answer, least):
        if len(answer.parts) != 1:
            raise AnswerInvalidError(site=answer.site, round=answer.round, reason=Text("it has not one part"))
        self.parts.append(answer.parts[0])
        self.sites.append(answer.site)
        return 0

    def state(self, *, lost):
        with ExitStack() as stack:
            sources = [(stack.enter_context(self.blobs.open(part)), part.size) for part in self.parts]
            new = stack.enter_context(self.blobs.create(MEDIA_TYPE))
            shape = read_head(*sources[0])["x"].shape
            for source, _ in sources:
                source.seek(0)
            new.write(head({"x": ("F64", shape)}))
            for pieces in abreast(sources, "x", BLOCK):
                new.write(np.sum([np.frombuffer(piece) for piece in pieces], axis=0).tobytes())
        return {"digest": new.part.digest, "size": new.part.size, "sites": self.sites}


@dataclass(frozen=True)
class ScaleProcedure:
    """One round: every hospital is handed the same tensor."""

    document: dict
    blobs: Blobs | None = None

    @property
    def demands(self):
        return Demands(min_sites=self.document["min_sites"])

    @property
    def needs(self):
        return ()

    def within(self, blobs):
        return replace(self, blobs=blobs)

    def kept(self, state):
        return (self._sum(state),) if state else ()

    def _sum(self, state):
        return Part(state["digest"], MEDIA_TYPE, state["size"])

    def first(self):
        return {}

    def questions(self, state, number):
        if state:
            return None
        part = make(self.blobs, self.document["size"])
        return Question("scale", "scale.scaled", parts=(part,), most=part.size)

    def gathering(self, state, number):
        return Adding(self.blobs)

    def without(self, state):
        return {}

    def objective(self, state):
        return None

    def result(self, state):
        right = is_scaled(self.blobs, self._sum(state), sum(self.document["factors"].values()))
        return Result({"right": right, "size": state["size"]}, 0, tuple(state["sites"]))


@dataclass(frozen=True)
class ScaleAlgorithm:
    """Reads its tasks."""

    kind: str = TRAIN
    name: str = SCALE

    def prepare(self, document):
        return ScaleProcedure(dict(document))


PARTS = ConnectorParts(engines={**ENGINES, (TRAIN, SCALE): Scaling}, algorithms=(*ALGORITHMS, ScaleAlgorithm))


def numbers(count: int, at: int = 0, factor: float = 1.0) -> bytes:
    """So many doubles that depend on their place."""
    period = array("d", [(n - 500) * 0.25 * factor for n in range(1000)]).tobytes()
    first = at % 1000 * 8
    return (period * (count // 1000 + 2))[first : first + count * 8]


def make(blobs: Blobs, size: int) -> Part:
    """A tensor of about so many bytes."""
    count = size // 8
    with blobs.create(MEDIA_TYPE) as new:
        new.write(head({"x": ("F64", (count,))}))
        for at in range(0, count, BLOCK // 8):
            new.write(numbers(min(BLOCK // 8, count - at), at))
    return new.part


def is_scaled(blobs: Blobs, part: Part, factor: float) -> bool:
    """Whether a tensor is the one that was made, scaled."""
    with blobs.open(part) as source:
        tensor, at = read_head(source, part.size)["x"], 0
        for block in blocks(source, tensor, BLOCK):
            if block != numbers(len(block) // 8, at, factor):
                return False
            at += len(block) // 8
    return at == tensor.shape[0]


async def exchange(user: Connector, asked: dict) -> dict:
    """Make a tensor, bring it, ask, fetch the answer; seconds of both ways, and our memory while they lasted."""
    holder, size = asked["holder"], asked["size"]
    factor = asked["task"]["factors"][holder]
    transfer = await user.of("uses").transfer(asked["transfer"])
    address = transfer.data_address
    job = address["endpoint"], address["endpointProperties"][0]["value"]
    jobs, store = JobClient(user._base.client, user._base.identity), user.usage.parts.store
    seats, run = {holder: transfer.agreement}, f"urn:run:of:{transfer.id}"
    manifest = manifest_of(user.config.did, asked["task"], seats, run=run)
    await jobs.seat(*job, signed(manifest, user.node.signing), holder, timeout=30)
    ours, theirs = Keeping(holder, "asked"), Keeping(holder, "answered")
    part = await asyncio.to_thread(make, store.of(ours), size)
    said = Memory()
    began = time.perf_counter()
    await jobs.put_part(*job, part, store.of(ours), holder)
    brought = time.perf_counter() - began
    step = Step(asked["task"], asked.get("round", 1), "scale", parts=(part,))
    answer = await jobs.ask(*job, step, holder, timeout=120)
    made = Part(**answer["parts"][0])
    began = time.perf_counter()
    await jobs.fetch_part(*job, made, store, theirs, holder)
    fetched = time.perf_counter() - began
    right = await asyncio.to_thread(is_scaled, store.of(theirs), made, factor)
    for keeping in (ours, theirs):
        store.drop(keeping)
    return {"right": right, "size": made.size, "brought": brought, "fetched": fetched, "memory": said.more()}


class Memory:
    """What a process needs at most, in MB above what it had when this was made (Linux)."""

    def __init__(self, process: int | str = "self") -> None:
        self._folder = Path(f"/proc/{process}")
        (self._folder / "clear_refs").write_text("5")  # the peak is counted from now on
        self._idle = self._said("VmRSS")

    def more(self) -> float:
        """The peak until now."""
        return self._said("VmHWM") - self._idle

    def _said(self, name: str) -> float:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


async def _run(config: Path, *, asks: bool) -> None:
    connector = await open_connector(read_config(config), PARTS, lambda _: None)
    stop, up = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serving = asyncio.create_task(serve(connector, stop, up.set))
    await up.wait()
    _say({"ready": True})
    while asks and (line := await asyncio.to_thread(sys.stdin.readline)):
        _say(await exchange(connector, json.loads(line)))
    await serving


def _say(said: dict) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def live() -> None:
    """A connector."""
    asyncio.run(_run(Path(sys.argv[1]), asks=False))


def ask() -> None:
    """The connector of a user who asks by hand."""
    asyncio.run(_run(Path(sys.argv[1]), asks=True))
