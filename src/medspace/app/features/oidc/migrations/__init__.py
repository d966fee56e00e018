"""The tables of the hospital's login."""
