"""How many examples a property is tried with: a third in the ordinary run, all of them in `make soak`."""

import os

WHOLE = bool(os.environ.get("MEDSPACE_EXAMPLES"))


def most(count: int) -> int:
    """So many examples in the long run, and a third of them in the ordinary one."""
    return count if WHOLE else max(count // 3, 10)
