"""What can go wrong with FHIR resources and the views that make tables of them.

InvalidInputError
 |- PathError               an expression is not one that is supported, or cannot be evaluated
 |- ViewError               a view cannot be used
 |- ResourcesRefusedError   resources cannot be read as that view's table
 |- FhirSettingsError       a file does not say how a server is asked
 `- FhirServerError         a server refuses, or its answer cannot be used
WaitingError
 `- FhirAwayError           a server does not answer now
"""

from collections.abc import Mapping

from medspace.core.errors import InvalidInputError, WaitingError
from medspace.core.text import Fact, Text, msgid


class PathError(InvalidInputError):
    """An expression cannot be compiled, or not be evaluated on what it met."""

    code = "fhir.path"
    sentence = msgid("The FHIRPath expression cannot be used: {reason}.")
    next_step = msgid("Write it with what docs/sources/fhir.md lists.")

    def __init__(self, reason: str, facts: Mapping[str, Fact | Text] | None = None) -> None:
        self.reason = Text(reason, facts or {})
        super().__init__(reason=self.reason)


class ViewError(InvalidInputError):
    """A ViewDefinition cannot be used."""

    code = "fhir.view"
    sentence = msgid("The view {view} cannot be used: {reason}.")
    next_step = msgid("Fix the ViewDefinition, or name one of those that docs/sources/fhir.md lists.")

    def __init__(self, view: str, reason: str | Text, facts: Mapping[str, Fact | Text] | None = None) -> None:
        self.reason = reason if isinstance(reason, Text) else Text(reason, facts or {})
        super().__init__(view=view, reason=self.reason)


class ResourcesRefusedError(InvalidInputError):
    """Resources are not what they must be. Nothing of them stays loaded; no value of theirs is told."""

    code = "fhir.resources"
    sentence = msgid("The resources in {file} cannot be used (line {line}): {reason}.")
    next_step = msgid("Export them again, or take what is wrong out of the files; nothing was loaded.")

    def __init__(self, file: str, line: int, reason: Text) -> None:
        super().__init__(file=file, line=line, reason=reason)


class FhirSettingsError(InvalidInputError):
    """A file does not say how a server is asked."""

    code = "fhir.settings"
    sentence = msgid("The file {file} does not say how a FHIR server is asked: {reason}.")
    next_step = msgid("Correct it (docs/sources/fhir.md); nothing was fetched.")

    def __init__(self, file: str, reason: Text) -> None:
        super().__init__(file=file, reason=reason)


class FhirServerError(InvalidInputError):
    """A server refuses, or answers what cannot be used. The folder stays as it was; no address is told."""

    code = "fhir.server"
    sentence = msgid("What the FHIR server answers about {what} cannot be used: {reason}.")
    next_step = msgid("Tell the people of the server; the resources fetched before stay as they were.")

    def __init__(self, what: str, reason: str | Text, facts: Mapping[str, Fact | Text] | None = None) -> None:
        self.reason = reason if isinstance(reason, Text) else Text(reason, facts or {})
        super().__init__(what=what, reason=self.reason)


class ChangedMeanwhileError(FhirServerError):
    """The resources changed while they were read page by page."""


class FhirAwayError(WaitingError):
    """A server does not answer now, or asks for more patience than there is."""

    code = "fhir.away"
    sentence = msgid("The FHIR server does not answer about {what}: {reason}.")
    next_step = msgid("Run the same command again later; it goes on where it stopped.")

    def __init__(self, what: str, reason: Text) -> None:
        super().__init__(what=what, reason=reason)
