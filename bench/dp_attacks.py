"""What the best attacks get where answers carry noise, at a claimed epsilon of 1.

`dp.canary_epsilon` is the largest epsilon that an audit by canaries refutes at 95 % confidence, of noisy sums and of
noisy fits. `attacks.best_success` is how often one patient's yes or no is guessed right by whoever knows everything
else and sees every total of a whole contract, upper end of the 95 % interval. `attacks.lying_seat_rows` counts the
patients whose row a seat reads that lies so as to single them out.
"""

from typing import Any

from medspace.core.usage import Brakes
from tests.attacks.canaries import DELTA, Audit, CanaryFits, audit_of_sums
from tests.attacks.noisy_liar import PER_FIT, rows_read
from tests.attacks.noisy_reading import PATIENTS, SILENT, Attack, Share, allowed, outlier, rho_of_task
from tests.attacks.test_noisy_totals import QUARTER, admitted
from tests.unit.learning.noisy import TASK, patients

RUNS = 400  # of each audit; the control has a twentieth of them
PAIRS = 1000
FITS = 100
FREE = 60  # where nothing is counted
TARGETS = {"outcome": ("sick", (0.0, 1.0)), "code": ("sex", ("f", "m"))}


def measure() -> dict[str, dict[str, Any]]:
    """With noise, beside the same code without it."""
    return {
        "dp.canary_epsilon": _canaries(),
        "attacks.best_success": _success(),
        "attacks.lying_seat_rows": _rows(),
    }


def _canaries() -> dict[str, Any]:
    sums, fits = audit_of_sums(RUNS), CanaryFits().audit(RUNS)
    less, silent = audit_of_sums(RUNS // 20, parts=20), CanaryFits(parts=0).audit(RUNS // 20)
    found = {"sums": sums.bound(DELTA), "fits": fits.bound(DELTA)}
    return {
        "value": max(found.values()),
        "unit": "epsilon",
        "reference": f"sums {found['sums']:.2f} ({_counted(sums)}), fits {found['fits']:.2f} ({_counted(fits)}); "
        f"with a twentieth of the noise {less.bound(DELTA):.1f} (sums), without {silent.bound(DELTA):.1f} (fits)",
        "target": "<= 1",
    }


def _counted(audit: Audit) -> str:
    return f"{audit.right} of {audit.guesses} guesses right, {audit.canaries} canaries"


def _success() -> dict[str, Any]:
    tables = {name: [outlier(**{column: value}) for value in both] for name, (column, both) in TARGETS.items()}
    found: dict[str, Share] = {
        f"{name}, one fit": Attack(Brakes(), known).success(PAIRS) for name, known in tables.items()
    }
    fits = [QUARTER] * admitted(QUARTER, 100)
    found["outcome, four fits at a quarter"] = Attack(Brakes(), tables["outcome"], fits).success(PAIRS // 4)
    free = Attack(Brakes(), tables["outcome"], [QUARTER] * FREE).success(PAIRS // 40)
    silent = min(Attack(SILENT, known).success(10).found for known in tables.values())
    return {
        "value": max(each.upper for each in found.values()),
        "unit": "share",
        "reference": f"{PATIENTS} patients; "
        + ", ".join(f"{name} {each.found:.3f} (upper {each.upper:.3f})" for name, each in found.items())
        + f"; may be {allowed(rho_of_task()):.3f}; {FREE} uncounted {free.found:.2f}; without noise {silent:.2f}",
        "target": "<= .60",
    }


def _rows() -> dict[str, Any]:
    tables = [patients(PATIENTS, seed) for seed in (1, 2, 3)]
    noisy, silent = (sum(rows_read(tables, TASK, seed, shares) for seed in range(FITS)) for shares in (3, 0))
    return {
        "value": float(noisy),
        "unit": "rows",
        "reference": f"of {FITS * PER_FIT} patients singled out by a lying fourth seat in {FITS} fits; "
        f"without noise {silent}",
        "target": "0",
    }
