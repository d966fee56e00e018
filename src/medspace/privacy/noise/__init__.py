"""Stand-in until the room's own modules are here."""
