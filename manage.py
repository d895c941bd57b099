#!/usr/bin/env python
"""Django's commands, and `embedded`, which starts what the settings need before they load."""

import os
import sys


def main() -> int:
    """Run the command in sys.argv."""
    match sys.argv[1:]:
        case ["embedded", *rest]:
            from bencher.embedded.command import main as embedded

            return embedded(rest)
        case ["help", "embedded"]:
            from bencher.embedded.command import main as embedded

            return embedded(["--help"])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
