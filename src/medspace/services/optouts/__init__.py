"""Opt-outs of persons at an authority, which each hospital asks about in keyed pseudonyms of its own."""
