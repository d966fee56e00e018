"""Usage control: who may do what with which rows, and what may leave. The only maker of admissions and releases."""
