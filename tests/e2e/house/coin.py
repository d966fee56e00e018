"""Stand-in (b): a coin that is committed to in one step and revealed in the next (Blum, Coin flipping by telephone).

    python -m tests.e2e.house.coin CONFIG    runs a connector that tosses

It opens no rows. What it has tossed is in the memory of the use alone, drawn from the randomness that it is given;
both its outputs are protocol messages. A step for which a file `wait` is there works until the file has gone.
"""

import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.core.engine import COORDINATOR_SEES_SUMS, OutputForm, StepLimits
from medspace.core.errors import InvalidInputError
from medspace.core.material import Form
from medspace.core.text import Text
from medspace.core.usage import Output
from tests.e2e.house.killable import live

STATISTICS = "medspace:statistics"
SECRET_BYTES = 33  # the first tells the side, the others hide it


@dataclass(frozen=True)
class Coin:
    """Commits, then reveals."""

    kind: str = STATISTICS
    task: str = "coin"
    outputs: tuple[OutputForm, ...] = (
        OutputForm("coin.commitment", message=True, most=128),
        OutputForm("coin.opening", message=True, most=256),
    )
    steps: tuple[str, ...] = ("commit", "reveal")
    forms: tuple[Form, ...] = ()
    limits: StepLimits = field(default_factory=StepLimits)

    def protection(self, task):
        return COORDINATOR_SEES_SUMS

    def check(self, task):
        """There is nothing to say."""

    def answer(self, admission, step, workplace):
        assert workplace.material is None
        hold(step)
        if step.name == "commit":
            secret = workplace.randomness.token_bytes(SECRET_BYTES)
            return Output("coin.commitment", {"commitment": sha256(secret).hexdigest()}, 0, memory=secret)
        if not workplace.memory:
            raise InvalidInputError(reason=Text("nothing was committed to"))
        return Output("coin.opening", {"secret": workplace.memory.hex(), "heads": workplace.memory[0] & 1}, 0)


def hold(step):
    """Wait while the file is there that the task names; say that one waits."""
    wait = Path(step.task["wait"]) if "wait" in step.task else None
    while wait is not None and wait.exists():
        wait.with_suffix(".begun").touch()
        time.sleep(0.01)


WITH_COIN = ConnectorParts(engines={**ENGINES, (STATISTICS, "coin"): Coin})

if __name__ == "__main__":
    live(WITH_COIN)
