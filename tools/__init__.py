"""What the Makefile runs to keep the house in order; nothing of it is shipped."""
