"""Duties after the contract: what is owed once a use is over, until when, and what proves that it was done."""
