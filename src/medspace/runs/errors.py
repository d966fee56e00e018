"""The errors of runs, whatever is computed; those of one kind of task stand in its own folder.

InvalidInputError
 |- TaskInvalidError       the task cannot be run as it stands
 |- ManifestInvalidError   the manifest of a run is invalid
 |- SeatKeyInvalidError    a key of a run is not signed by its seat
 |- HandoverInvalidError   the hand-over of a run is invalid
 |- RunUnknownError        there is no such run
 |- ModelUnknownError      there is no such model
 `- NoModelError           a run has made none
SiteError                  one site did not deliver
 |- SiteAwayError          it does not answer
 |- SiteRefusedError       it refuses
 |   `- CodingDiffersError its published dictionary does not fit the task
 |       `- UnitsDifferError a column is in another unit
 `- AnswerInvalidError     its answer cannot be right
RunError                   the whole run failed
 |- SitesRefusedError      sites refused, and the run may not go on without them
 |- SitesAwayError         sites stayed away, and nobody said to go on without them
 |- DepartureError         under masks, a site is missing whose contract does not let the run go on without it
 |- AnswersInvalidError    the answers of a round cannot be right together
 |- PartsLostError | PartsRoomError
 |- CoordinatorAwayError   who was to lead it does not answer
 |- CoordinatorRefusedError  who was to lead it does not, or what it says of it does not hold
 |- TooFewAskedError       it names too few sites
 |   `- TooFewMaskedError  for masks
 |       `- TooFewGroupedError  for masks in each of several groups
 `- TooFewSitesError | RunCancelledError
NotCoordinatedError        this connector leads no runs for that member
CoordinatorBusyError       it leads as many for it as it does at a time
"""

from typing import ClassVar

from medspace.core.errors import InvalidInputError, MedspaceError, ProofError, RefusedError, WaitingError
from medspace.core.text import Fact, Text, msgid


class TaskInvalidError(InvalidInputError):
    """The task cannot be run as it stands."""

    code = "learning.task_invalid"
    sentence = msgid("The training task cannot be used: {reason}.")
    next_step = msgid("Fix the task and send it again.")


class ManifestInvalidError(InvalidInputError):
    """The manifest of a run does not hold."""

    code = "run.manifest_invalid"
    sentence = msgid("The manifest of the run cannot be used: {reason}.")
    next_step = msgid("Start a new run; if it happens again, update the connector that leads it.")


class SeatKeyInvalidError(InvalidInputError):
    """A key of a run is not signed by its seat for this run."""

    code = "run.seat_key"
    sentence = msgid("The key of {site} for this run is not signed by it for this manifest.")
    next_step = msgid("Do not use it: it may have been replaced in transit. Start a new run.")


class RunUnknownError(InvalidInputError):
    """There is no such run."""

    code = "learning.run_unknown"
    sentence = msgid("There is no training run {run}.")
    next_step = msgid("List the runs and take one of them.")


class ModelUnknownError(InvalidInputError):
    """There is no such model."""

    code = "learning.model_unknown"
    sentence = msgid("There is no model {model}, and no training run with that name.")
    next_step = msgid("Take the id that `medspace train` showed, or that of a finished run from `medspace runs`.")


class NoModelError(InvalidInputError):
    """A run has made no model."""

    code = "learning.no_model"
    sentence = msgid("The training run {run} has no model; it is {state}.")
    next_step = msgid("See its state, and the reason if it failed, with `medspace runs`.")


class SiteError(MedspaceError):
    """One site did not deliver what a round needs; `site` and `reason` say more.

    `cause` is the sentence without the site, for several sites of which the same holds.
    """

    code = "learning.site"
    sentence = msgid("The site {site} did not deliver: {reason}.")
    next_step = msgid("Ask the site; the run goes on without it where the task allows.")
    cause: ClassVar[str] = msgid("{reason}")


class SiteAwayError(SiteError, WaitingError):
    """The site does not answer now; it will be asked again."""

    code = "learning.site_away"
    sentence = msgid("The site {site} does not answer: {reason}.")
    next_step = msgid("Ask its data office whether the connector is up, or train without it: --without-missing.")
    cause = msgid("No answer: {reason}.")

    def __init__(self, site: str, reason: Fact | Text | None = None) -> None:
        super().__init__(site=site, reason=Text(msgid("it did not answer")) if reason is None else reason)


class SiteRefusedError(SiteError, RefusedError):
    """The site says no; asking again would not help.

    `refusal` is its own code, `advice` its own next step, as far as it told them: both are words of somebody else.
    """

    code = "learning.site_refused"
    sentence = msgid("The site {site} refuses: {reason}.")
    next_step = msgid("Fix what it names, agree to other terms, or train without it: --without-missing.")

    def __init__(self, site: str, reason: Fact | Text, refusal: str = "", advice: str = "") -> None:
        super().__init__(site=site, reason=reason)
        self.refusal = refusal
        self.advice_told = advice


class CodingDiffersError(SiteRefusedError):
    """What the site publishes of its data does not fit the task, or not what the other sites publish."""

    code = "learning.coding"
    sentence = msgid("The data of the site {site} do not fit: {reason}.")
    next_step = msgid("Compare the dictionaries in the catalogue and fix the task, or train without the site.")
    cause = msgid("The published data do not fit: {reason}.")


class UnitsDifferError(CodingDiffersError):
    """A column of the site is in another unit than at a site before it: a model of both would be of neither."""

    code = "learning.units"
    next_step = msgid(
        "Ask one of them to convert the column where it is exported and to say so in its data dictionary, or train "
        "without the site: --without-missing."
    )


class AnswerInvalidError(SiteError, ProofError):
    """The answer of a site cannot be right; it was not used."""

    code = "learning.answer_invalid"
    sentence = msgid("The answer of site {site} in round {round} was not used: {reason}.")
    next_step = msgid("Ask the site to look at its data and its version.")
    cause = msgid("The answer in round {round} was not used: {reason}.")


class RunError(MedspaceError):
    """The whole run failed."""

    code = "learning.failed"
    sentence = msgid("The training run failed.")
    next_step = msgid("Read the rounds of the run.")


class SitesRefusedError(RunError):
    """Sites said no, and neither the task nor the run says to go on without them."""

    code = "learning.sites_refused"
    sentence = msgid("{sites}: {reason}")
    next_step = msgid("Fix what the sites name, or train without them: --without-missing.")
    exit_code = RefusedError.exit_code


class SitesAwayError(RunError):
    """Sites stayed away, and neither the task nor the run says to go on without them."""

    code = "learning.sites_away"
    sentence = msgid("{sites}: {reason}")
    next_step = msgid("Train again when they are back, or train without them: --without-missing.")
    exit_code = WaitingError.exit_code


class DepartureError(RunError):
    """Under masks, a site is missing whose own contract does not let the run go on without it, whoever says so."""

    code = "run.departure"
    sentence = msgid(
        "The run under masks cannot go on without {bound}: sums with a hospital and sums without it differ by its "
        "own numbers, so its contract decides, and it does not list that the run may."
    )
    next_step = msgid(
        "Train again when it is back. --without-missing goes on only without hospitals whose contracts list "
        "run.departure among their outputs; where a privacy budget pays for noise in the task, without any of them."
    )
    exit_code = RefusedError.exit_code


class TooFewSitesError(RunError):
    """Fewer sites are left than the task or an agreement demands."""

    code = "learning.too_few_sites"
    sentence = msgid("Only {answered} of {asked} sites are left; the task needs {needed}.")
    next_step = msgid("Fix what the sites name or wait until they are back, and train again.")


class TooFewAskedError(RunError):
    """The run names fewer sites than the task or an agreement demands."""

    code = "learning.too_few_asked"
    sentence = msgid("The run asks too few sites ({asked}); the task or an agreement needs {needed}.")
    next_step = msgid("Agree with more hospitals (`medspace negotiate`) and name their agreements too.")
    exit_code = InvalidInputError.exit_code


class TooFewMaskedError(TooFewAskedError):
    """The run names fewer sites than masks take under the agreements."""

    code = "learning.too_few_masked"
    sentence = msgid(
        "The run asks too few sites ({asked}); masks take {needed} under these agreements: {hidden} in the sum, "
        "besides {others} that may tell what they see."
    )
    next_step = msgid(
        "Agree with more hospitals (`medspace negotiate`) and name their agreements too. Three are enough only where "
        "their contracts say `colluders = 0`."
    )


class TooFewGroupedError(TooFewMaskedError):
    """The run names fewer sites than masks take in each of the groups of its task."""

    code = "learning.too_few_grouped"
    sentence = msgid(
        "The run asks too few sites ({asked}); {groups} groups take {needed} under these agreements: in each, "
        "{hidden} in the sum, besides {others} that may tell what they see."
    )
    next_step = msgid(
        "Agree with more hospitals (`medspace negotiate`) and name their agreements too, or take fewer groups "
        "(`[robust]` with `groups = 3` is the fewest)."
    )


class AnswersInvalidError(RunError):
    """Answers that look right each by itself and cannot be so together; nobody can tell whose fault it is."""

    code = "learning.answers_invalid"
    sentence = msgid("The answers of round {round} do not fit together: {reason}.")
    next_step = msgid("Start the run again; if it happens again, compare the versions of the sites.")


class PartsLostError(RunError):
    """Parts that the state of a run names are gone."""

    code = "learning.parts_lost"
    sentence = msgid("The part {digest}, which the run needs to go on, is gone.")
    next_step = msgid("Start the run again, and leave the folder of parts alone while it lasts.")


class PartsRoomError(RunError):
    """The parts of a run do not fit."""

    code = "learning.parts_room"
    sentence = msgid("The parts of the run need more than the {limit} bytes that they may take up here.")
    next_step = msgid("Ask for less at once, or raise quotas.part_megabytes, and train again.")


class RunCancelledError(RunError):
    """Somebody cancelled the run."""

    code = "learning.cancelled"
    sentence = msgid("The training run was cancelled.")
    next_step = msgid("Start a new run when you are ready.")


class CoordinatorAwayError(RunError):
    """Who was to lead the run does not answer."""

    code = "run.coordinator_away"
    sentence = msgid("The coordinator {coordinator} does not answer: {reason}.")
    next_step = msgid("Ask its operator whether its connector is up, or start the run again without --coordinator.")
    exit_code = WaitingError.exit_code


class CoordinatorRefusedError(RunError):
    """Who was to lead the run does not, or what it says of the run does not hold."""

    code = "run.coordinator_refused"
    sentence = msgid("The coordinator {coordinator} does not lead the run: {reason}.")
    next_step = msgid("Ask its operator, or start the run again with another coordinator.")
    exit_code = RefusedError.exit_code


class HandoverInvalidError(InvalidInputError):
    """What a run is handed over with does not hold."""

    code = "run.handover_invalid"
    sentence = msgid("The run cannot be taken over: {reason}.")
    next_step = msgid("Start a new run; if it happens again, compare the versions of both connectors.")


class NotCoordinatedError(RefusedError):
    """This connector leads no runs for that member."""

    code = "run.not_coordinated"
    sentence = msgid("{coordinator} does not lead runs for {user}.")
    next_step = msgid("Ask its operator to name you among the members of [coordination] in its configuration.")


class CoordinatorBusyError(WaitingError):
    """It leads as many runs for that member as it does at a time."""

    code = "run.coordinator_busy"
    sentence = msgid("{most} runs of {user} are under way here already.")
    next_step = msgid("Wait until one of them is over, or cancel it.")

    def __init__(self, most: int, user: str, seconds: int = 30) -> None:
        super().__init__(most=most, user=user, seconds=seconds)
