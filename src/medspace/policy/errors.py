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
