"""One file for each migration, numbered in their order."""
