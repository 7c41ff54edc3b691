"""Django looks for tables only in apps that have this module; the job itself is in conftest.py."""
