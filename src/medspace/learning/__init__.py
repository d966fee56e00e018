"""To learn what? One folder per kind of task: sums, evaluation, models. No code of the asker runs beside data."""
