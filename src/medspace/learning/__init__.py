"""To learn what? One folder per kind of task: sums, evaluation, models. No code of the user runs beside the data."""
