#!/usr/bin/env python
"""Django's command-line door."""

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mapgan_site.settings")
    from mapgan_site.doors import run

    run(sys.argv)


if __name__ == "__main__":
    main()
