"""Consents of patients: what they said, which rows that opens, and what was counted."""
