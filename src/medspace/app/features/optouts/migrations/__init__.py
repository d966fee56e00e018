"""Changes of the tables of opt-outs."""
