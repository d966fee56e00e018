"""Accounts of the portal: whose pages somebody sees, how they came in, and until when."""
