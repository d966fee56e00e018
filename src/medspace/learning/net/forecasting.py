"""What the task of a net costs and what its hospitals will learn of each other, shown before it is run."""

from medspace.core.text import Text, counted, msgid
from medspace.learning.glm.forecasting import EXACT
from medspace.learning.net.task import NetTask, most_weights
from medspace.runs.ports import Forecast

_LEARNED = msgid(
    "What is learned is of all hospitals together: how many rows and patients there are, the mean and spread of each "
    "column, in each round the loss and the mean change of {weights}, and at the end how good the net is."
)
_IN_TURN = msgid(
    "The hospitals train in turn: in each round all others see what one of them alone has changed. A hospital whose "
    "contract does not list net.update refuses."
)
_SEARCH = msgid(
    "Of the rounds, {cost} go to trying {trials} combinations of values; only patients who are set apart decide."
)
_NOISELESS = msgid("Hospitals whose terms require noise refuse it: nets cannot be trained with noise yet.")


def forecast(task: NetTask) -> Forecast:
    """What to expect; the answers are exact."""
    questions, weights = task.table.max_rounds, most_weights(task)
    asked = counted(questions, msgid("{count} question"), msgid("{count} questions"))
    numbers = counted(weights, msgid("{count} weight"), msgid("{count} weights"))
    said = [Text(EXACT, {"asked": asked}), Text(_LEARNED, {"weights": numbers})]
    if task.cycle:
        said.append(Text(_IN_TURN))
    if task.search is not None:
        said.append(Text(_SEARCH, {"cost": task.search.cost, "trials": len(task.search.trials)}))
    return Forecast({"epsilon": None, "questions": questions, "weights": weights}, (*said, Text(_NOISELESS)))
