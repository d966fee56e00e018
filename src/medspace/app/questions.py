"""How many questions a dataset was asked and still answers: as JSON and in words."""

from medspace.connector.usage.brakes import Allowance
from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, counted, msgid


def shown(dataset: str, allowance: Allowance) -> JsonObject:
    """The questions of a dataset: `limit` a year, `used`, `left`, and `back`, the day when the first come back."""
    return {
        "dataset": dataset,
        "limit": allowance.limit,
        "used": allowance.used,
        "left": allowance.left,
        "back": allowance.back.isoformat() if allowance.back else None,
    }


def cells_told(dataset: str, cells: int) -> Text:
    """What the first answer of a dataset tells about few patients, in words."""
    pairs = counted(cells, msgid("{count} pair of codes"), msgid("{count} pairs of codes"))
    facts: dict[str, Fact | Text] = {"dataset": dataset, "pairs": pairs}
    return Text(
        msgid("Too few patients of {dataset} have {pairs}; the first answer to a task can tell of them."), facts
    )


def questions_left(state: JsonObject) -> Text:
    """The same in words."""
    facts = {name: state[name] for name in ("dataset", "limit", "used", "left")}
    if state["back"] is None:
        sentence = msgid("{dataset} was asked nothing this year; it answers {limit} questions of all users together.")
        return Text(sentence, facts)
    sentence = msgid(
        "{dataset} was asked {used} of the {limit} questions that it answers a year, of all users together; "
        "{left} are left, and the first come back on {back}."
    )
    return Text(sentence, facts | {"back": state["back"]})
