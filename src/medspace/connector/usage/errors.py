"""Errors of usage control.

MedspaceError
 |- RefusedError
 |   |- QuestionsSealedError  the questions that were kept were sealed with another secret
 |   |- UnknownJobError       no such job for this caller and token
 |   |- JobClosedError        the use is suspended or over
 |   |- NotAdmittedError      agreement, label or budget say no
 |   |- WithheldError         the gate kept an output back
 |   |- ScopeError            the source does not apply the scope of the admission
 |   |- UseFailedError        the engine broke
 |   |   |- StepTooLongError  it took longer than it may
 |   |   |- StepTooLargeError it wanted more memory than there is
 |   |   `- UseMemoryError    what it remembers cannot be opened or kept
 |   |- StepUnknownError      no such step of this use
 |   |- StepOverError         it has ended without a release; what was said then
 |   |- NoStepError           a person asks for a step that there is not
 |   |- NotHeldError          a person decided about what waits for nobody
 |   `- AgreementReplacedError  an agreement is to be ended whose place another one took
 |- WaitingError
 |   |- AssetAwayError        its content is not open yet
 |   |- DrainingError         the connector is being stopped
 |   |- StepHeldError         a person must look at the answer first
 |   `- UseWaitsError         a person must look at an earlier answer to this use first
 `- InvalidInputError
     |- StepError             the step cannot be read or run
     `- UnknownCauseError     an agreement cannot be ended for that cause
"""

from medspace.core.errors import InvalidInputError, RefusedError, WaitingError
from medspace.core.text import msgid


class UnknownJobError(RefusedError):
    """There is no such job for this caller and this token."""

    code = "use.unknown"
    sentence = msgid("There is no use {use} for you here.")
    next_step = msgid("Request a transfer under your agreement and use the address that its start names.")


class JobClosedError(RefusedError):
    """The use is suspended or over."""

    code = "use.closed"
    sentence = msgid("The use {use} is suspended or has ended.")
    next_step = msgid("Resume the transfer, or request a new one under the agreement.")


class NotAdmittedError(RefusedError):
    """The agreement, the label or the remaining budget does not allow this step."""

    code = "use.refused"
    sentence = msgid("The holder does not admit this. Clause: {clause}. Asked: {asked}. Found: {held}.")
    next_step = msgid("{remedy}")


class WithheldError(RefusedError):
    """The gate kept an output back; nothing of it left."""

    code = "use.withheld"
    sentence = msgid("The output was kept back. Clause: {clause}. Asked: {asked}. Found: {held}.")
    next_step = msgid("{remedy}")


class ScopeError(RefusedError):
    """The source returned rows without the scope that the admission narrows them to; they were not used."""

    code = "use.scope"
    sentence = msgid("The source of {asset} cannot leave out the rows that may not be used.")
    next_step = msgid("Offer the dataset from a source that applies row scopes.")


class UseFailedError(RefusedError):
    """The engine failed in an unexpected way; the same step would fail again."""

    code = "use.failed"
    sentence = msgid("The use {use} failed inside the holder's connector.")
    next_step = msgid("Tell the holder: its connector's log has the trace. The same step will fail again.")


class QuestionsSealedError(RefusedError):
    """The stored questions cannot be opened; without them, nothing limits what is asked next."""

    code = "questions.sealed"
    sentence = msgid("The questions that this connector has kept were sealed with another secret.")
    next_step = msgid("Put the file of `questions.secret` back as it was: it belongs to the database.")


class StepError(InvalidInputError):
    """A step cannot be read or run as it stands."""

    code = "use.step"
    sentence = msgid("The step cannot be run: {reason}.")
    next_step = msgid("Fix the task and start again.")


class StepHeldError(WaitingError):
    """The output of a step awaits review by a person of the holder; until then the use's next step waits too."""

    code = "use.held_for_person"
    sentence = msgid("A person at the holder must review the answer before it leaves.")
    next_step = msgid("Ask for the step again later: the answer comes once somebody there has approved it.")


class UseWaitsError(WaitingError):
    """A use asks for its next step while an earlier answer awaits review."""

    code = "use.waits"
    sentence = msgid("An earlier answer to the use {use} waits for a person of the holder.")
    next_step = msgid("Ask again later: the steps of a use are answered one at a time.")


class StepUnsignedError(RefusedError):
    """A question of a run of masked sums is not signed."""

    code = "step.unsigned"
    sentence = msgid("The question is not signed, as each question of a run of masked sums must be.")
    next_step = msgid("Ask whoever leads the run to bring its connector up to date, then to go on.")


class StepUnsealedError(RefusedError):
    """A question of a run of masked sums came unencrypted."""

    code = "step.unsealed"
    sentence = msgid("The question is not sealed, as each question of a run of masked sums must be.")
    next_step = msgid("Ask whoever leads the run to bring its connector up to date, then to go on.")


class StepUnknownError(RefusedError):
    """The use has no such step, or it was interrupted before it ended."""

    code = "use.no_step"
    sentence = msgid("There is no such step of the use {use} here.")
    next_step = msgid("Send the step again.")


class StepOverError(RefusedError):
    """A step has ended without a release; repeats what was reported then."""

    code = "use.over"
    sentence = msgid("{words}")
    next_step = msgid("{advice}")


class UseMemoryError(UseFailedError):
    """The memory of a use cannot be opened, or cannot be stored."""

    code = "use.memory"
    sentence = msgid("What the use {use} remembers between its steps is not available: {reason}.")
    next_step = msgid("Begin a new use.")


class UseRestoredError(UseMemoryError):
    """The database is older than what this use did: randomness drawn for one step would be reused for another."""

    code = "use.restored"
    sentence = msgid("The use {use} did more than this connector's database knows: a backup was restored meanwhile.")
    next_step = msgid("Begin a new use.")


class StepTooLongError(UseFailedError):
    """A step took longer than its engine allows."""

    code = "use.too_long"
    sentence = msgid("The step of the use {use} was stopped: it took longer than {limit} seconds.")
    next_step = msgid("Ask for less, or ask the holder to allow more time.")


class StepTooLargeError(UseFailedError):
    """A step wanted more memory than there is for it."""

    code = "use.too_large"
    sentence = msgid("The step of the use {use} was stopped: there was not enough memory for it.")
    next_step = msgid("Ask for less, or ask the holder to allow more memory.")


class NoStepError(RefusedError):
    """There is no step with this identity."""

    code = "step.unknown"
    sentence = msgid("There is no step {step} here.")
    next_step = msgid("`medspace steps` lists the steps that exist.")


class NotHeldError(RefusedError):
    """A person decided about a step that does not await review."""

    code = "step.not_held"
    sentence = msgid("The step {step} does not wait for a person.")
    next_step = msgid("`medspace steps --state held` lists those that do.")


class OutputUnchangeableError(RefusedError):
    """An output that awaits review cannot be made anew without what a person wants left out."""

    code = "step.unchangeable"
    sentence = msgid("The output of {step} cannot be made without {parts}.")
    next_step = msgid("Approve it or keep it back; what its engine can leave out of it: {possible}.")


class AssetAwayError(WaitingError):
    """The content of an asset is being opened, or its server does not answer."""

    code = "asset.away"
    sentence = msgid("The content of {asset} is not open at its holder now.")
    next_step = msgid("Try again in {seconds} seconds; the holder's `medspace doctor` says why.")


class DrainingError(WaitingError):
    """The connector is stopping: it finishes running steps and begins no new ones."""

    code = "use.stopping"
    sentence = msgid("The holder's connector is being stopped and begins nothing new.")
    next_step = msgid("Ask again in {seconds} seconds, once it runs again: nothing was counted.")


class ReleaseTooLargeError(InvalidInputError):
    """An output is larger than a release may be, so it was not released."""

    code = "release.too_large"
    sentence = msgid("The answer has {leaves} numbers and {size} bytes; at most {most} and {limit} may leave.")
    next_step = msgid("Ask for less at once: fewer columns, fewer groups. What is large leaves as parts.")


class PartMissingError(InvalidInputError):
    """A step names a part that is not here."""

    code = "part.missing"
    sentence = msgid("The part {digest} is not here.")
    next_step = msgid("Send it to the job endpoint before the step that names it.")


class ManifestsTriedError(RefusedError):
    """A use was shown too many manifests, one after another."""

    code = "run.manifests_tried"
    sentence = msgid("This use was shown {most} manifests already.")
    next_step = msgid("Begin another use, and show it the manifest of its run.")


class SeatKeysTriedError(RefusedError):
    """A use has repeatedly brought seat keys that were not accepted."""

    code = "run.keys_tried"
    sentence = msgid(
        "The keys of the seats were sent to this use {most} times, and each time they were different or missing."
    )
    next_step = msgid("Begin another use, and send the keys as the holders signed them.")


class RecordsMissingError(InvalidInputError):
    """No records are kept of a run."""

    code = "run.records_missing"
    sentence = msgid("No record of the run {run} is kept here.")
    next_step = msgid(
        "Records are kept of masked runs that were answered here, as long as the questions themselves. "
        "`medspace audit export` shows which runs there were."
    )


class AgreementReplacedError(RefusedError):
    """An agreement is to be ended whose place another one has taken, which would go on."""

    code = "agreement.replaced"
    sentence = msgid("The agreement {agreement} is over already: {successor} took its place and goes on.")
    next_step = msgid("End the agreement {successor} if nothing may go on.")


class UnknownCauseError(InvalidInputError):
    """An agreement is to be ended for a cause that is none."""

    code = "agreement.cause"
    sentence = msgid("An agreement is not ended for the cause {cause}.")
    next_step = msgid("Use one of these, or none: {known}.")
