"""The tables of credentials, status lists and issuers."""
