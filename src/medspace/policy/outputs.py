"""The kinds of output that terms may list, in words. To add one, add a line here and the form to its engine.

A kind without words is shown by its name, so that a contract never hides which results leave.
"""

from collections.abc import Mapping

from medspace.core.text import Fact, Text, msgid

DEPARTURE = (
    "run.departure"  # no engine makes it: it is what the results before and after a site's departure reveal together
)

UPDATE = "net.update"  # nor this: it is what the total shows in a round of training that only this data holder does

WORDS: Mapping[str, Text] = {
    "glm.model": Text(msgid("the model")),
    "glm.progress": Text(msgid("how far the fit is, in one number per question")),
    "glm.quality": Text(msgid("how well the model does at this data holder")),
    "glm.moments": Text(msgid("this data holder's means and spreads of the columns")),
    "glm.newton": Text(msgid("this data holder's sums of each round of the fit")),
    "glm.evaluation": Text(msgid("this data holder's counts of how well the model does")),
    "cox.model": Text(msgid("the survival model")),
    "cox.progress": Text(msgid("how far the fit is, in one number per question")),
    "cox.quality": Text(msgid("how well the model does at this data holder")),
    "net.model": Text(msgid("the net")),
    "net.progress": Text(msgid("how far the training is, in one number per question")),
    "net.quality": Text(msgid("how well the model does at this data holder")),
    UPDATE: Text(
        msgid("what this data holder alone changes in a net, in its turn (cyclic training shows it to all others)")
    ),
    DEPARTURE: Text(
        msgid(
            "what a run tells of this data holder by going on without it (sums with it and without it: "
            "their difference is its own)"
        )
    ),
}


def words(kind: str) -> Fact | Text:
    """A kind of output in words, followed by its name as terms list it."""
    said = WORDS.get(kind)
    return kind if said is None else Text(msgid("{words} ({kind})"), {"words": said, "kind": kind})
