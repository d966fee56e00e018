"""Offering a file: examining it, collecting the wishes, writing them into a configuration."""
