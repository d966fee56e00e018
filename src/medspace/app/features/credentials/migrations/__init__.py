"""The tables of credentials."""
