"""Whether an engine can run a step as it stands; if not, it is refused before it is recorded or counted.

Large steps are checked in a thread. Small ones take less time than a thread switch, so they are checked directly;
only the engine's own check of a task, which may import heavy libraries, always runs in a thread, once per task.
"""

from collections import OrderedDict

import msgspec

from medspace.connector.usage.calls import Call
from medspace.connector.usage.errors import StepError
from medspace.connector.usage.naming import Digests, digests_of
from medspace.connector.usage.ports import Threads
from medspace.core.engine import Engine
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid
from medspace.core.usage import Step

KEPT = 64  # small tasks that are known to be runnable
_Task = tuple[str, str, bytes]


class Legible:
    """Reads steps for the engines that are to answer them."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._runnable: OrderedDict[_Task, None] = OrderedDict()

    async def digests(self, engine: Engine | None, call: Call) -> Digests:
        """The digests of a step that its engine can answer.

        Raises:
            StepError: with what is wrong in it.
            UseFailedError: the engine failed on it.
        """
        step = call.step
        if engine is None or not call.small:
            return await self._threads.call(call.job, lambda: _checked(engine, step))
        said = digests_of(step)
        task = (engine.kind, engine.task, msgspec.json.encode(step.task))
        if task in self._runnable:
            _check_name(engine, step)
        else:
            await self._threads.call(call.job, lambda: _check(engine, step))
        self._runnable[task] = None
        self._runnable.move_to_end(task)
        if len(self._runnable) > KEPT:
            self._runnable.popitem(last=False)
        return said


def _checked(engine: Engine | None, step: Step) -> Digests:
    said = digests_of(step)
    if engine is not None:
        _check(engine, step)
    return said


def _check(engine: Engine, step: Step) -> None:
    _check_name(engine, step)
    try:
        engine.check(step.task)
    except InvalidInputError as error:
        raise StepError(reason=error.text) from error


def _check_name(engine: Engine, step: Step) -> None:
    if step.name not in engine.steps:
        steps = ", ".join(engine.steps)
        raise StepError(reason=Text(msgid("this kind of use has the steps {steps}"), {"steps": steps}))
