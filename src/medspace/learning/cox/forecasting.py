"""What a survival task costs and what its user will learn, shown before it is run."""

from medspace.core.text import Text, counted, msgid
from medspace.learning.cox.task import CoxTask
from medspace.learning.cox.totals import newton_shape
from medspace.learning.glm.forecasting import EXACT
from medspace.runs.ports import Forecast

_LEARNED = msgid(
    "What is learned is of all hospitals together: how many rows, patients and events there are, the mean and spread "
    "of each column, {sums} with each step of the fit, and at the end how well the model orders the patients. "
    "Nobody learns what happened to whom, or when."
)
_NOISELESS = msgid("Hospitals whose terms require noise refuse it: survival models cannot be trained with noise yet.")


def forecast(task: CoxTask) -> Forecast:
    """What to expect; the answers are exact."""
    questions = task.table.max_rounds
    numbers = newton_shape(len(task.columns), 1).count
    sums = counted(numbers, msgid("{count} sum"), msgid("{count} sums"))
    asked = counted(questions, msgid("{count} question"), msgid("{count} questions"))
    said = (Text(EXACT, {"asked": asked}), Text(_LEARNED, {"sums": sums}), Text(_NOISELESS))
    return Forecast({"epsilon": None, "questions": questions, "sums": numbers}, said)
