"""Real servers, processes and browsers for the tests."""
