"""Runs whose sums nobody sees but in total."""
