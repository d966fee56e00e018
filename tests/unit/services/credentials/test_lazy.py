"""A connector that does not speak DCP carries nothing of it: neither in memory nor at its start."""

import subprocess
import sys

FRESH = """
import sys
import medspace.app.compose.inside
import medspace.app.features.credentials.api
import medspace.app.features.credentials.service
import medspace.app.features.credentials.verbs
print([one for one in sys.modules if one.startswith(("joserfc", "jsonschema", "medspace.trust.credentials."))])
"""


def test_nothing_of_it_is_imported_before_it_is_used():
    said = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, check=True, text=True, timeout=120)
    assert said.stdout.strip() == "[]"
