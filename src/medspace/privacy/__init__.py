"""What keeps results from telling about persons: disclosure checks, masked sums; noise and encryption to come."""
