"""The tables of permits."""
