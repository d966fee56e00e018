"""The errors of generalised linear models.

InvalidInputError
 |- LevelUnknownError      a coded column may hold a code that the task does not name
 |- RangeMissingError      the data dictionary gives no range for a number
 |- ColumnTooLargeError          a number may be larger than masked sums carry
 |- RobustExactError       an exact fit cannot do without the total of all sites
 |- TargetInvalidError     the target does not suit the family
 |- OutcomeUndeclaredError the holder does not let others ask about this threshold
 |- GroupUnknownError      a column cannot be divided into the groups that the task names
 |- GroupsTooSmallError    the task would show smaller groups than the contract allows
 |- BeyondRangesError      a question goes beyond what the data dictionary allows
 `- NothingLeftError       no row is usable
RunError
 |- OneClassError          all patients of all sites have the same outcome
 |- NotConvergedError      the rounds were used up
 |- SingularError          columns are collinear
 |- NoiseHidesError        the noise is larger than what it hides
 `- SeparatedError         no finite fit is best, or none that sites answer about
"""

from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.learning.errors import StepInvalidError
from medspace.runs.errors import RunError, TaskInvalidError


class LevelUnknownError(InvalidInputError):
    """A coded column may hold a code that the task does not name: the dictionary decides, not the rows."""

    code = "learning.level_unknown"
    sentence = msgid("The data dictionary has codes of the column {column} that the task does not name.")
    next_step = msgid("Name every code of the data dictionary in the levels of this feature.")


class RangeMissingError(InvalidInputError):
    """The data dictionary gives no range for a number, so nothing bounds what a question makes of it."""

    code = "learning.range_missing"
    sentence = msgid("The data dictionary gives no range for the column {column}.")
    next_step = msgid("Ask the holder to give the column a minimum and a maximum, or leave it out of the task.")


class GroupUnknownError(InvalidInputError):
    """A column cannot be divided as the task says: its dictionary has codes besides."""

    code = "learning.group_unknown"
    sentence = msgid("The data dictionary has codes of {column} that are not among the groups of the task's `judge`.")
    next_step = msgid("Name every code of the data dictionary in `codes` of this column.")


class GroupsTooSmallError(InvalidInputError):
    """The task would show groups of fewer persons than the contract allows."""

    code = "learning.groups_small"
    sentence = msgid("The task shows groups of {asked} persons or more; the contract requires at least {least}.")
    next_step = msgid("Set `least` of the task's `judge` to {least}.")


class ColumnTooLargeError(InvalidInputError):
    """The data dictionary allows numbers that are larger than masked sums carry."""

    code = "learning.too_large"
    sentence = msgid("The column {column} may hold numbers beyond {most}, which is too large for masked sums.")
    next_step = msgid("Ask the holder to publish the column in a larger unit, or with a narrower range.")


class OutcomeUndeclaredError(InvalidInputError):
    """A threshold on a number that the holder's dictionary does not declare."""

    code = "learning.outcome_undeclared"
    sentence = msgid("The holder does not offer {outcome} as an outcome.")
    next_step = msgid(
        "Take one of the outcomes of the data dictionary, or ask the holder to declare this one (docs/data.md)."
    )


class TargetInvalidError(InvalidInputError):
    """The target does not suit the family."""

    code = "learning.target_invalid"
    sentence = msgid("The target {column} does not suit the family {family}.")
    next_step = msgid("Choose another family, or give the target a threshold, such as `num > 0`.")


class RobustExactError(TaskInvalidError):
    """A task without noise asks for groups of sites, and its steps are proven against the sum over all of them."""

    code = "learning.robust_exact"
    sentence = msgid("An exact fit needs the exact sum over all hospitals, so it cannot leave out groups of them.")
    next_step = msgid("Take `[robust]` out of the task, or give it noise (`[noise]` with `epsilon = 1.0`).")


class BeyondRangesError(StepInvalidError):
    """Coefficients or fill values are outside the ranges of the data dictionary."""

    code = "learning.beyond_ranges"
    sentence = msgid(
        "The question of round {round} goes beyond what the ranges of the data dictionary allow: columns are "
        "nearly collinear, or a range is far wider than the values."
    )
    next_step = msgid(
        "Leave out columns that are nearly collinear, or whose range is far wider than their values, or give the "
        "task a penalty (`l2 = 1.0`)."
    )


class NothingLeftError(InvalidInputError):
    """No row can be used: all of them miss the target or, where rows with gaps are dropped, a feature."""

    code = "learning.nothing_left"
    sentence = msgid("No row can be used for this task.")
    next_step = msgid('Use the missing-value rule "indicator+mean", or leave out the features that are missing here.')


class OneClassError(RunError):
    """All patients of all sites have the same outcome."""

    code = "learning.one_class"
    sentence = msgid("All patients of all hospitals have the same outcome, so nothing can be learned.")
    next_step = msgid("Check how the task defines the target, or ask hospitals that have seen both outcomes.")
    exit_code = InvalidInputError.exit_code


class NotConvergedError(RunError):
    """The rounds were used up."""

    code = "learning.not_converged"
    sentence = msgid("The fit did not converge within {rounds} rounds.")
    next_step = msgid("Give the task a penalty (`l2`), fewer features or more rounds.")


class NoiseHidesError(RunError):
    """The noise of a fit is as large as the number of rows; it says so with noise, so it costs nothing more."""

    code = "learning.noise_hides"
    sentence = msgid("The noise is as large as the number of patients, so nothing can be learned.")
    next_step = msgid("State a larger epsilon, name fewer features, or ask more hospitals.")


class SingularError(RunError):
    """The summed Hessian is singular: columns are collinear."""

    code = "learning.singular"
    sentence = msgid("The columns of the task are collinear, so their coefficients cannot be determined.")
    next_step = msgid("Leave out one of the collinear columns, or give the task a penalty (`l2`).")
    exit_code = InvalidInputError.exit_code


class SeparatedError(RunError):
    """Columns separate the outcome perfectly, or so nearly that sites do not answer about the best coefficients."""

    code = "learning.separated"
    sentence = msgid(
        "The columns of the task predict the outcome perfectly, or nearly so, for some or all patients: the best "
        "coefficients are infinite, or larger than hospitals answer about."
    )
    next_step = msgid(
        "Give the task a penalty (`l2 = 1.0`, or a larger one), or leave out the column that predicts the outcome."
    )
    exit_code = InvalidInputError.exit_code
