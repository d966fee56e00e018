"""The errors of learning, whatever is learned; those of one kind of task stand in its own folder.

InvalidInputError
 |- TaskInvalidError       the task cannot be run as it stands
 |- StepInvalidError       the question of a round has the wrong shape
 `- RunUnknownError        there is no such run
SiteError                  one site did not deliver
 |- SiteAwayError          it does not answer
 |- SiteRefusedError       it says no
 `- AnswerInvalidError     its answer cannot be right
RunError                   the whole run failed
 |- TooFewSitesError | SiteFaultError | RunCancelledError
"""

from medspace.core.errors import InvalidInputError, MedspaceError, ProofError, RefusedError, WaitingError
from medspace.core.text import msgid


class TaskInvalidError(InvalidInputError):
    """The task cannot be run as it stands."""

    code = "learning.task_invalid"
    sentence = msgid("The training task cannot be used: {reason}.")
    next_step = msgid("Mend the task and send it again.")


class StepInvalidError(InvalidInputError):
    """The question of a round has the wrong shape."""

    code = "learning.step_invalid"
    sentence = msgid("The question of round {round} cannot be answered: {reason}.")
    next_step = msgid("Run the coordinator and the sites with the same version.")


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


class RunCancelledError(RunError):
    """Somebody cancelled the run."""

    code = "learning.cancelled"
    sentence = msgid("The training run was cancelled.")
    next_step = msgid("Start a new run when you are ready.")
