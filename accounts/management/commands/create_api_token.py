"""Make an API token for a user; print the token and nothing else."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import api_token_create


class Command(BaseCommand):
    """``manage.py create_api_token USERNAME``"""

    help = "Make an API token for a user. Prints only the token; it is stored hashed and never shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose token, and what it is called."""
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the account page calls it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and print."""
        try:
            user = User.objects.get(username=options["username"])
        except User.DoesNotExist:
            raise CommandError(f"There is no user named {options['username']!r}.") from None
        _, token = api_token_create(user=user, name=options["name"])
        self.stdout.write(token)
