"""The codes that a connector of this kind may record as another member's reason.

A code that another party made up could contain anything, such as a person's name, and the log is kept for good. So a
code that nothing here produces is recorded as `peer.unspecified`; the process itself, which is not signed and can be
deleted, keeps the original.

The list is not maintained by hand. Each module that produces codes declares them: through the error classes that it
defines, and in its `CODES` where it makes decisions. `_MAKERS` are those modules of this room and of the rooms below;
`learn` adds codes from above, such as those of a feature. A test walks all modules and checks that nothing is
missing.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType

from medspace.connector.errors import CodeInvalidError
from medspace.core.errors import MedspaceError

UNSPECIFIED = "peer.unspecified"
LONGEST = 64  # characters; the same limit as in messages (`wire`)

_FORM = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+", re.ASCII)
_MAKERS = """
core.columns core.decision core.dictionary core.errors core.parts core.tensors
trust.dcql trust.errors trust.credentials.errors trust.sdjwt.errors
policy.clashes policy.errors policy.evaluation.deciding policy.labels policy.laws policy.operands policy.portions
policy.rules
ledger.errors
privacy.errors privacy.masking.errors privacy.noise.budget
runs.codings runs.errors runs.masked.errors runs.seating
connector.catalogue.finding connector.catalogue.shares connector.dispatch.rules connector.dispatch.service
connector.duties.conditions connector.duties.errors connector.ending connector.errors
connector.negotiation.service connector.negotiation.strategy connector.transfer.service connector.turns
connector.usage.accounts connector.usage.brakes connector.usage.budgets connector.usage.checking
connector.usage.conditions.label connector.usage.conditions.seats connector.usage.disclosures connector.usage.ended
connector.usage.errors
connector.usage.gate connector.usage.rules connector.usage.spent connector.usage.strategy connector.usage.working
""".split()  # noqa: SIM905 - a list of modules reads best as text

_learned: set[str] = set()
_learning = Lock()


def said_by(module: ModuleType) -> frozenset[str]:
    """The codes that a module declares: those of the errors that it defines, and its `CODES`."""
    errors = (
        one.code
        for one in vars(module).copy().values()  # another thread may be importing a module into this one
        if isinstance(one, type) and issubclass(one, MedspaceError) and one.__module__ == module.__name__
    )
    return frozenset(errors) | getattr(module, "CODES", frozenset())


@cache
def own() -> frozenset[str]:
    """The codes of this room and of the rooms below.

    The modules are imported when a code is first looked up, so that a connector starts without them.
    """
    made = (said_by(import_module(f"medspace.{name}")) for name in _MAKERS)
    return frozenset({UNSPECIFIED}).union(*made)


def learn(codes: Iterable[str]) -> None:
    """Add codes; known ones are ignored. Thread-safe.

    Raises:
        CodeInvalidError: one of them is not a valid code; none of them is added then.
    """
    wanted = frozenset(codes)
    for code in sorted(wanted):
        if len(code) > LONGEST or not _FORM.fullmatch(code):
            raise CodeInvalidError(code=code[:LONGEST])
    with _learning:
        _learned.update(wanted)


def known() -> frozenset[str]:
    """Every code that the log may hold as another member's word."""
    made = own()  # outside the lock, since it may import
    with _learning:
        return made | _learned


def noted(code: str) -> str:
    """A code of another member in the form in which the log may hold it."""
    return code if code in own() or code in _learned else UNSPECIFIED
