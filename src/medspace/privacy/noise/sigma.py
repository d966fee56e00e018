"""The size of one site's noise, the same for all tasks; kept apart from drawing it, which needs numpy."""

SIGMA_BITS = 14
SIGMA = 1 << SIGMA_BITS
