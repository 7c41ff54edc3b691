"""API v1: each view reads the request, calls a selector or a service, and shapes the answer."""
