"""To learn what? Declarative training tasks, rounds, sums, evaluation. No code of the asker runs beside data."""
