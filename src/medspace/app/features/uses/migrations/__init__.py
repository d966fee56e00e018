"""The tables of uses."""
