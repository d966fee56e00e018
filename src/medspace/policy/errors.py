"""The errors of the policy room."""

from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import msgid


class InvalidPolicyError(InvalidInputError):
    """The input is not an ODRL policy in the form of the Dataspace Protocol."""

    code = "policy.malformed"
    sentence = msgid("The policy cannot be read at {clause}: {reason}.")
    next_step = msgid("Fix the policy; the permitted form is in docs/policy.md.")


class InvalidLabelError(InvalidInputError):
    """The label of an asset contains a statement that cannot be checked."""

    code = "label.malformed"
    sentence = msgid("The label cannot be read at {clause}: {reason}.")
    next_step = msgid("Fix the label; the permitted values are in docs/policy.md.")


class UnknownTemplateError(InvalidInputError):
    """There is no policy template with this name."""

    code = "policy.template_unknown"
    sentence = msgid("There is no policy template named {name}.")
    next_step = msgid("Choose one of these: {known}.")


class UnservedTemplateError(InvalidInputError):
    """A policy template permits a use that no engine of this connector serves."""

    code = "policy.template_unserved"
    sentence = msgid("The template {name} permits {uses}, and nothing in this connector serves that.")
    next_step = msgid("Choose one of these: {known}.")


class InvalidTermsError(InvalidInputError):
    """A template was given a term that it does not have or cannot use."""

    code = "policy.terms_invalid"
    sentence = msgid("The template {name} cannot use {term}: {reason}.")
    next_step = msgid("Correct that term and build the policy again.")


class UnenforceablePolicyError(RefusedError):
    """A policy contains a clause that no enforcement point here can enforce."""

    code = "policy.unenforceable"
    sentence = msgid("The policy has a clause that cannot be enforced, {clause}: {reason}.")
    next_step = msgid("Remove that clause or say it with the terms in docs/policy.md.")


class PolicyCycleError(InvalidInputError):
    """Something in a policy leads back to itself."""

    code = "policy.cycle"
    sentence = msgid("The policy cannot be read: {name} leads back to itself.")
    next_step = msgid("Remove the circular reference, and read the policy again.")


class InheritanceCycleError(PolicyCycleError):
    """A policy inherits from itself (ODRL Information Model 2.9)."""

    code = "policy.inheritance_cycle"
    sentence = msgid("The policy {name} inherits from itself.")


class CollectionCycleError(PolicyCycleError):
    """A collection contains itself."""

    code = "policy.collection_cycle"
    sentence = msgid("The collection {name} contains itself.")


class ActionCycleError(PolicyCycleError):
    """An action includes or implies itself."""

    code = "policy.action_cycle"
    sentence = msgid("The action {name} includes or implies itself.")


class PolicyTooLargeError(InvalidInputError):
    """A policy, a request or a state of the world says more than is evaluated."""

    code = "policy.too_large"
    sentence = msgid("This is too large to be evaluated: more than {most} {what}.")
    next_step = msgid("Divide it, and evaluate the parts one by one.")


class UnknownProfileError(InvalidInputError):
    """A policy uses a profile that is not known; its terms could mean anything (ODRL Information Model 3.2)."""

    code = "policy.profile_unknown"
    sentence = msgid("The policy uses the profile {name}, which is not known here.")
    next_step = msgid("Say it without that profile.")


class NumberTooLargeError(InvalidInputError):
    """A number that does not survive every program that reads it."""

    code = "policy.number_too_large"
    sentence = msgid("The number at {clause} is not one of at most {most} digits on either side of its point.")
    next_step = msgid("Write a smaller or less exact number.")


class UntimedInstantError(InvalidInputError):
    """A day or a time without a time zone names no instant."""

    code = "policy.time_without_zone"
    sentence = msgid("The time at {clause} has no time zone: {value}.")
    next_step = msgid("Write the instant with its zone, such as 2026-12-31T12:00:00Z.")


class MovedMeaningError(InvalidInputError):
    """A JSON-LD keyword or context that moves or renames statements, so that a member means more than its name."""

    code = "policy.moved_meaning"
    sentence = msgid("{name} at {clause} could give the policy another meaning than its names say.")
    next_step = msgid("Say it with the names of ODRL, without that keyword or context.")


class TwiceSaidError(InvalidInputError):
    """JSON in which an object names a member twice."""

    code = "policy.member_twice"
    sentence = msgid("The JSON names a member twice, so it can be read in two ways.")
    next_step = msgid("Remove one of the two.")


class UnsupportedClauseError(InvalidInputError):
    """A part of a policy that cannot be evaluated; it is never left out."""

    code = "policy.unsupported"
    sentence = msgid("The policy says something at {clause} that cannot be evaluated: {reason}.")
    next_step = msgid("Say it in another way or remove it.")


class UnknownParentError(InvalidInputError):
    """A policy inherits from one that was not given."""

    code = "policy.parent_unknown"
    sentence = msgid("The policy inherits from {name}, which was not given.")
    next_step = msgid("Give both policies in one document, as an `@graph`.")


class ConsentCodeError(InvalidInputError):
    """There is no such code of the Data Use Ontology."""

    code = "consent.unknown"
    sentence = msgid("There is no code of consent named {code}.")
    next_step = msgid("See all of them: `medspace rulebook consents`.")


class ConsentValueError(RefusedError):
    """A code of the Data Use Ontology that terms here cannot say, or that leaves something open."""

    code = "consent.not_enforced"
    sentence = msgid("The code {code} cannot be part of terms: {reason}.")
    next_step = msgid(
        "Leave it out, or give what is missing; what cannot be enforced belongs into a contract on paper."
    )


class ConsentDocumentError(InvalidInputError):
    """A document that is no FHIR Consent, or one that cannot be read (`policy.consent`)."""

    code = "consent.document"
    sentence = msgid("This is not a FHIR Consent of release 4 or 5 that can be read: see {reason}.")
    next_step = msgid("Correct it where it was written, and import it again.")


class FreerLabelError(RefusedError):
    """A label allows more than those of the data that the asset was made of."""

    code = "label.freer"
    sentence = msgid("{asset} cannot have this label, since it was made of data that allow less: {reason}.")
    next_step = msgid("Allow no more than the label of the model says: `medspace model MODEL --json`.")


class UnknownSourceError(RefusedError):
    """What an asset was made of is not known here, so nothing can be allowed."""

    code = "label.source_unknown"
    sentence = msgid("{asset} is said to be made of the model {model}, which is not kept here.")
    next_step = msgid("Correct `made_from` of that asset.")
