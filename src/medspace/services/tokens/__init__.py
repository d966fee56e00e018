"""Tokens of the private listener: who may act for this participant, what each may do, and until when."""
