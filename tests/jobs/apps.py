"""The app of the tests' own job. It has no migrations, so the test database makes its table."""

from django.apps import AppConfig


class ChoresConfig(AppConfig):
    """tests.jobs"""

    name = "tests.jobs"
    label = "chores"
