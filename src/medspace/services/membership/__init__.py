"""Membership of the space: its authority admits and removes participants and signs the list of members."""
