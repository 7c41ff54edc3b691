"""API v1 of training, for staff: a view reads the request, calls a selector or service, shapes the answer."""
