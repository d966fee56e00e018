"""Stand-in until the noise branch is merged."""
