"""Privacy loss distributions of Gaussians, by dp-accounting (extra `dp`), loaded on first use."""

from functools import lru_cache
from importlib.util import find_spec
from math import log

from medspace.adapters.extras import require

_PACKAGE, _EXTRA = "dp_accounting", "dp"
_STEPS = 1000  # of the grid for a distance: epsilons are within 1e-4 of the least, relatively, and take 20 ms
_TRUNCATED = -50.0  # as a logarithm: what dp-accounting counts as infinite loss by default
_BELOW_DELTA = 25.0


def installed() -> bool:
    """Whether the extra is installed; nothing is loaded."""
    return find_spec(_PACKAGE) is not None


class GaussianLosses:
    """Epsilons of Gaussians (`privacy.noise.composition.Losses`), each computed once."""

    def epsilon(self, distance: float, delta: float) -> float:
        """An upper bound on that of telling N(0, 1) from N(distance, 1).

        Raises:
            MissingExtraError: dp-accounting is not installed.
        """
        return _epsilon(distance, delta)


@lru_cache(maxsize=4096)
def _epsilon(distance: float, delta: float) -> float:
    distributions = require(f"{_PACKAGE}.pld.privacy_loss_distribution", extra=_EXTRA)
    losses = distributions.from_gaussian_mechanism(
        standard_deviation=1.0 / distance,
        pessimistic_estimate=True,  # losses are rounded up, and what is cut off counts as infinite
        value_discretization_interval=distance / _STEPS,
        log_mass_truncation_bound=min(_TRUNCATED, log(delta) - _BELOW_DELTA),
    )
    return float(losses.get_epsilon_for_delta(delta))
