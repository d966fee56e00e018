"""Generalised linear models: what a task declares, what a site answers, where the sums lead, the model they make."""
