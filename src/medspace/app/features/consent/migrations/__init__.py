"""The tables of consents."""
