"""Credentials of one connector: it holds its own, shows them, asks others for theirs, and may issue (DCP 1.0)."""
