"""Data permits: an application, questions and answers, a decision with reasons, and what follows from it."""
