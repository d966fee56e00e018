"""The errors of learning.

InvalidInputError
 |- TaskInvalidError       the task cannot be run as it stands
 |- ColumnUnknownError     the rows have no such column
 |- LevelUnknownError      a coded column holds a code that the task does not name
 |- TargetInvalidError     the target does not suit the family
 |- StepInvalidError       the question of a round has the wrong shape
 |- NothingLeftError       no row can be used
 `- RunUnknownError        there is no such run
SiteError                  one site did not deliver
 |- SiteAwayError          it does not answer
 |- SiteRefusedError       it says no
 `- AnswerInvalidError     its answer cannot be right
RunError                   the whole run failed
 |- TooFewSitesError | SiteFaultError | NotConvergedError | SingularError | RunCancelledError
"""

from medspace.core.errors import InvalidInputError, MedspaceError, ProofError, RefusedError, WaitingError
from medspace.core.text import msgid


class TaskInvalidError(InvalidInputError):
    """The task cannot be run as it stands."""

    code = "learning.task_invalid"
    sentence = msgid("The training task cannot be used: {reason}.")
    next_step = msgid("Mend the task and send it again.")


class ColumnUnknownError(InvalidInputError):
    """The rows have no such column, or not of that kind."""

    code = "learning.column_unknown"
    sentence = msgid("The data have no {kind} column {column}.")
    next_step = msgid("Look at the data dictionary in the catalogue and mend the task.")


class LevelUnknownError(InvalidInputError):
    """A coded column holds a code that the task does not name; which code is not said."""

    code = "learning.level_unknown"
    sentence = msgid("The column {column} holds codes that the task does not name.")
    next_step = msgid("Name every code of the data dictionary in the levels of this feature.")


class TargetInvalidError(InvalidInputError):
    """The target does not suit the family."""

    code = "learning.target_invalid"
    sentence = msgid("The target {column} does not suit the family {family}.")
    next_step = msgid("Choose another family, or give the target a threshold, such as `num > 0`.")


class StepInvalidError(InvalidInputError):
    """The question of a round has the wrong shape."""

    code = "learning.step_invalid"
    sentence = msgid("The question of round {round} cannot be answered: {reason}.")
    next_step = msgid("Run the coordinator and the sites with the same version.")


class NothingLeftError(InvalidInputError):
    """No row can be used: all of them miss the target or, where rows with gaps are dropped, a feature."""

    code = "learning.nothing_left"
    sentence = msgid("No row can be used for this task.")
    next_step = msgid('Use the missing-value rule "indicator+mean", or leave out the features that are missing here.')


class RunUnknownError(InvalidInputError):
    """There is no such run."""

    code = "learning.run_unknown"
    sentence = msgid("There is no training run {run}.")
    next_step = msgid("List the runs and take one of them.")


class SiteError(MedspaceError):
    """One site did not deliver what a round needs; `site` and `reason` say more."""

    code = "learning.site"
    sentence = msgid("The site {site} did not deliver: {reason}.")
    next_step = msgid("Ask the site; the run goes on without it where the task allows.")


class SiteAwayError(SiteError, WaitingError):
    """The site does not answer now; it will be asked again."""

    code = "learning.site_away"
    sentence = msgid("The site {site} does not answer.")
    next_step = msgid("Wait for it, or ask its data office whether the connector is up.")


class SiteRefusedError(SiteError, RefusedError):
    """The site says no; asking again would not help."""

    code = "learning.site_refused"
    sentence = msgid("The site {site} refuses: {reason}.")
    next_step = msgid("Read the clause that it names and agree to other terms.")


class AnswerInvalidError(SiteError, ProofError):
    """The answer of a site cannot be right; it was not used."""

    code = "learning.answer_invalid"
    sentence = msgid("The answer of site {site} in round {round} was not used: {reason}.")
    next_step = msgid("Ask the site to look at its data and its version.")


class RunError(MedspaceError):
    """The whole run failed."""

    code = "learning.failed"
    sentence = msgid("The training run failed.")
    next_step = msgid("Read the rounds of the run.")


class TooFewSitesError(RunError):
    """Fewer sites are left than the task or an agreement demands."""

    code = "learning.too_few_sites"
    sentence = msgid("Only {answered} of {asked} sites are left; the task needs {needed}.")
    next_step = msgid("Read the faults of the run, wait until the sites are back, and train again.")


class SiteFaultError(RunError):
    """A site failed and the task demands every site."""

    code = "learning.site_fault"
    sentence = msgid("The site {site} failed ({fault}) and the task demands every site.")
    next_step = msgid('Mend the site, or let the task go on without it (`site_faults: "exclude"`).')


class NotConvergedError(RunError):
    """The rounds were used up."""

    code = "learning.not_converged"
    sentence = msgid("The fit did not converge within {rounds} rounds.")
    next_step = msgid("Give the task a penalty (`l2`), fewer features or more rounds.")


class SingularError(RunError):
    """The summed Hessian is singular: columns explain each other, or classes are separated perfectly."""

    code = "learning.singular"
    sentence = msgid("The columns of the task explain each other, or they separate the outcome perfectly.")
    next_step = msgid("Give the task a penalty (`l2`) or leave out one of the columns.")


class RunCancelledError(RunError):
    """Somebody cancelled the run."""

    code = "learning.cancelled"
    sentence = msgid("The training run was cancelled.")
    next_step = msgid("Start a new run when you are ready.")
