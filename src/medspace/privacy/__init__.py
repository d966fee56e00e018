"""What keeps results from revealing persons: disclosure checks, masked sums, noise; encryption to come."""
