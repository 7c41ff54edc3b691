"""``manage.py doctor``: what is wrong with this installation, and what to do."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mapgan_site.doctor import FAIL, OK, SKIP, WARN, Finding, examine

MARKS = {OK: "ok     ", WARN: "warning", FAIL: "FAILURE", SKIP: "?      "}


class Command(BaseCommand):
    """Looks at every part."""

    help = "Examine database, broker, storage, workers, generators, mail, disks, clocks and settings."
    requires_system_checks = []  # it says itself what is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        """For machines."""
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status: 1 when something fails, else 0; warnings fail nothing."""
        found: list[Finding] = []
        for each in examine():
            found.append(each)
            if not options["json"]:
                self._tell(each)
        failures = sum(each.status == FAIL for each in found)
        if options["json"]:
            body = {"ok": not failures, "findings": [asdict(each) for each in found]}
            self.stdout.write(json.dumps(body, indent=2))
        elif failures:
            self.stdout.write(f"\n{failures} part{'s' * (failures > 1)} failed.")
        else:
            self.stdout.write("\nAll is well." if all(e.status == OK for e in found) else "\nNothing failed.")
        sys.exit(1 if failures else 0)

    def _tell(self, finding: Finding) -> None:
        self.stdout.write(f"{MARKS[finding.status]}  {finding.part}: {finding.message}")
        if finding.advice and finding.status != OK:
            self.stdout.write(f"           -> {finding.advice}")
