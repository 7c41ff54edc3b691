"""``manage.py prepare``: everything a site needs before it starts."""

from typing import Any

from django.core.management.base import BaseCommand

from mapgan_site.prepare import ADMIN, prepare


class Command(BaseCommand):
    """Migrate, collect static files, make the admin once, load the bundled generators."""

    help = "Make everything that a start needs: tables, static files, an admin, the bundled generators."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say each step; print the admin's password when it was made just now."""
        password = prepare(lambda words: self.stdout.write(f"{words} …"))
        if password:
            self.stdout.write(f"Made the user {ADMIN} with the password {password}")
