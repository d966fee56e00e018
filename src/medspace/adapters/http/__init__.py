"""The way out by HTTP: a guarded, bounded client, and the ports that it fills."""
