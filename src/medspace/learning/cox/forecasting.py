"""What a survival task costs and what its user will learn, shown before it is run."""

from medspace.core.text import Text, counted, msgid
from medspace.learning.cox.task import CoxTask, sums_of
from medspace.learning.glm.forecasting import EXACT
from medspace.runs.ports import Forecast

_LEARNED = msgid(
    "What is learned is of all hospitals together: how many rows, patients and events there are, the mean and spread "
    "of each column, {sums} with each step of the fit, and at the end how well the model orders the patients."
)
_STRATA = msgid("Nobody learns what happened to whom, or when.")
_SHARED = msgid(
    "All hospitals share one baseline risk. At each of {times} times at which somebody has the event, all learn how "
    "many of all hospitals have it and what sums of their columns are, and so of those who leave between two times. "
    "A hospital with few patients in such a group refuses: longer intervals would help."
)
_NOISELESS = msgid("Hospitals whose terms require noise refuse it: survival models cannot be trained with noise yet.")


def forecast(task: CoxTask) -> Forecast:
    """What to expect; the answers are exact."""
    questions = task.table.max_rounds
    numbers = sums_of(len(task.columns), len(task.grid))
    sums = counted(numbers, msgid("{count} sum"), msgid("{count} sums"))
    asked = counted(questions, msgid("{count} question"), msgid("{count} questions"))
    learned = [Text(_LEARNED, {"sums": sums})]
    if task.grid:
        learned.append(Text(_SHARED, {"times": len(task.grid)}))
    else:
        learned.append(Text(_STRATA))
    said = (Text(EXACT, {"asked": asked}), *learned, Text(_NOISELESS))
    return Forecast({"epsilon": None, "questions": questions, "sums": numbers}, said)
