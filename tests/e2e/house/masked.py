"""Stand-in (d): the sum of a column over all hospitals, each number under masks that cancel only in the whole set.

In the first round the hospital with the lower DID of each pair draws a seed and seals it for the other; the second
asks for the masked sums. Whoever carries the messages opens none of them, and sees numbers that tell nothing. It is
the least that shows the seams: no hospital may be lost, and nothing keeps one from lying (masks for real work recover
lost ones and check each question).
"""

import json
import math
from dataclasses import dataclass, field

from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.errors import InvalidInputError
from medspace.core.material import Form
from medspace.core.text import Text
from medspace.core.usage import Output
from medspace.runs.errors import AnswersInvalidError
from medspace.runs.ports import Demands, Need, Question, Result

TRAIN, MASKED = "medspace:train", "masked"
MODULUS = 1 << 64
LARGEST = 1 << 40  # of a sum that can be right
PAIR = "pair"


@dataclass(frozen=True)
class MaskedEngine:
    """On the hospital's side."""

    kind: str = TRAIN
    task: str = MASKED
    outputs: tuple[OutputForm, ...] = (OutputForm("masked.seeds", message=True, most=64), OutputForm("masked.sum"))
    steps: tuple[str, ...] = ("share", "sum")
    forms: tuple[Form, ...] = (Form.TABLE,)
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task):
        return COORDINATOR_SEES_SUMS  # no more is claimed: this is no protection that a contract could name

    def check(self, task):
        if not isinstance(task.get("column"), str):
            raise InvalidInputError(reason=Text("the task names no column"))

    def answer(self, admission, step, workplace):
        if workplace.keys is None:
            raise InvalidInputError(reason=Text("the seats of the run have no keys"))
        return self.share(admission, workplace) if step.name == "share" else self.sum(admission, step, workplace)

    def share(self, admission, workplace):
        keys, drawn = workplace.keys, {}
        for peer in keys.seats:
            if admission.holder < peer:
                seed = workplace.randomness.token_bytes(32)
                drawn[peer] = [seed.hex(), keys.seal(peer, PAIR, seed)]
        outbox = {peer: sealed for peer, (_, sealed) in drawn.items()}
        return Output("masked.seeds", {"sent": len(drawn)}, 0, memory=json.dumps(drawn).encode(), outbox=outbox)

    def sum(self, admission, step, workplace):
        rows = workplace.material
        last = {
            int(person): int(value)
            for person, value in zip(rows.persons(), rows.numbers(step.task["column"]), strict=True)
            if not math.isnan(value)
        }
        masks = sum(self.mask(admission.holder, peer, step, workplace) for peer in workplace.keys.seats)
        return Output("masked.sum", {"masked": f"{(sum(last.values()) + masks) % MODULUS:016x}"}, len(last))

    def mask(self, me, peer, step, workplace):
        """What this hospital adds for a peer, and the peer takes away."""
        keys = workplace.keys
        if peer == me:
            return 0
        if me < peer:
            seed, sealed = json.loads(workplace.memory or b"{}").get(peer, ("", ""))
            return int.from_bytes(keys.pair(peer, PAIR, bytes.fromhex(seed), sealed)[:8])
        sealed = step.inbox.get(peer, "")
        return -int.from_bytes(keys.pair(peer, PAIR, keys.open(peer, PAIR, sealed), sealed)[:8])


@dataclass
class WholeSet:
    """Judges the masked sums together; one of them alone, or all but one, mean nothing."""

    number: int
    total: int = 0
    sites: list = field(default_factory=list)

    def add(self, answer, least):
        self.sites.append(answer.site)
        if self.number > 1:
            self.total += int(answer.values["masked"], 16)
        return 0

    def state(self, *, lost):
        if lost or self.number == 1:
            if lost:
                raise AnswersInvalidError(round=self.number, reason=Text("a hospital is lost, so its masks stay"))
            return {"shared": True}
        total = self.total % MODULUS
        if total > LARGEST:
            raise AnswersInvalidError(round=self.number, reason=Text("the masks do not cancel"))
        return {"sum": total, "sites": self.sites}


@dataclass(frozen=True)
class MaskedProcedure:
    """On the coordinator's side."""

    document: dict

    @property
    def demands(self):
        return Demands(min_sites=self.document["min_sites"])

    @property
    def needs(self):
        return (Need(self.document["column"]),)

    def first(self):
        return {}

    def questions(self, state, number):
        if "sum" in state:
            return None
        return Question("sum", "masked.sum") if state else Question("share", "masked.seeds", message=True)

    def gathering(self, state, number):
        return WholeSet(number)

    def without(self, state):
        return {}

    def objective(self, state):
        return None

    def result(self, state):
        return Result({"sum": state["sum"]}, 0, tuple(state["sites"]))


@dataclass(frozen=True)
class MaskedAlgorithm:
    """Reads its tasks."""

    kind: str = TRAIN
    name: str = MASKED

    def prepare(self, document):
        return MaskedProcedure(dict(document))
