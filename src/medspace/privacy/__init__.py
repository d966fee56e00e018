"""What keeps results from telling about persons: disclosure checks now; masking, noise, encryption as they come."""
