"""What of FHIR is supported, as the code has it: what `medspace source features` prints."""

from medspace.adapters.fhir.grammar import LEVELS
from medspace.adapters.fhir.paths import FUNCTIONS, ROW_INDEX
from medspace.adapters.fhir.standard import standard_views
from medspace.adapters.fhir.views import FOR, MOST_ROWS
from medspace.core.canonical import JsonObject

VALUES = (
    "'text'", "1", "1.5", "true", "false", "@2020-01-31", "$this", "%name", "%resource", "%context",
    f"%{ROW_INDEX}",
)  # fmt: skip


def supported() -> JsonObject:
    """The views of the program, the parts of a ViewDefinition, and what of FHIRPath they may use."""
    return {
        "views": list(standard_views()),
        "view_parts": ["column", "select", *FOR, "unionAll", "where", "constant"],
        "functions": list(FUNCTIONS),
        "operators": [*(one for level in LEVELS for one in level), "[ ]"],
        "values": list(VALUES),
        "most_rows_of_a_resource": MOST_ROWS,
    }
