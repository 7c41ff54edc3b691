"""API v1, as its clients see it."""
