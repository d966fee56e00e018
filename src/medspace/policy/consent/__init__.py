"""What patients have consented to: FHIR Consent in one tree, and what it answers to a use of their data."""
