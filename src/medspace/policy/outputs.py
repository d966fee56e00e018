"""The kinds of output that terms may list, in words: a new kind of result is a line here, beside its engine's form.

A kind without words is shown by its name: a contract never hides what it lets out.
"""

from collections.abc import Mapping

from medspace.core.text import Fact, Text, msgid

DEPARTURE = "run.departure"  # no engine makes it: it is what the results before and after a departure tell together

WORDS: Mapping[str, Text] = {
    "glm.model": Text(msgid("the model")),
    "glm.progress": Text(msgid("how far the fit is, in one number per question")),
    "glm.quality": Text(msgid("how well the model does at this data holder")),
    "glm.moments": Text(msgid("this data holder's means and spreads of the columns")),
    "glm.newton": Text(msgid("this data holder's sums of each round of the fit")),
    "glm.evaluation": Text(msgid("this data holder's counts of how well the model does")),
    DEPARTURE: Text(
        msgid(
            "what a run tells of this data holder by going on without it (sums with it and without it: "
            "their difference is its own)"
        )
    ),
}


def words(kind: str) -> Fact | Text:
    """A kind of output as people read it, with its name: that is what terms list."""
    said = WORDS.get(kind)
    return kind if said is None else Text(msgid("{words} ({kind})"), {"words": said, "kind": kind})
