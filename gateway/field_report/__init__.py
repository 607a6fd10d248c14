"""The report on an exercise: what was said, what was heard of it, and what the link did meanwhile."""
