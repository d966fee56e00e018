"""How large the noise of one site is, the same for all tasks; apart from how it is drawn, which takes numpy."""

SIGMA_BITS = 14
SIGMA = 1 << SIGMA_BITS
