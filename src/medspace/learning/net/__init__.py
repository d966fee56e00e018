"""Neural networks on tables, trained at the hospitals and averaged under masks."""
