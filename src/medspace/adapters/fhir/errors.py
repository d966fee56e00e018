"""What can go wrong with FHIR resources and the views that make tables of them.

InvalidInputError
 |- PathError               an expression is not one that is supported, or cannot be evaluated
 |- ViewError               a view cannot be used
 `- ResourcesRefusedError   resources cannot be read as that view's table
"""

from collections.abc import Mapping

from medspace.core.errors import InvalidInputError
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
