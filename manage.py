#!/usr/bin/env python
"""Django's commands, and `embedded`, which starts what the settings need before they load."""

import os
import sys
from contextlib import AbstractContextManager


def main() -> int:
    """Run the command in sys.argv."""
    match sys.argv[1:]:
        case ["embedded", *rest]:
            return embedded(rest)
        case ["help", "embedded"]:
            return embedded(["--help"])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")
    from django.core.management import execute_from_command_line

    with audit_of(sys.argv[1] if len(sys.argv) > 1 else ""):
        execute_from_command_line(sys.argv)
    return 0


def audit_of(command: str) -> AbstractContextManager[None]:
    """Return the context in which the audit records what a command changes."""
    from bencher import auditing

    return auditing.by_command(command)


def embedded(arguments: list[str]) -> int:
    """Run the one command that works without settings."""
    try:
        from bencher.embedded import command

        return command.main(arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
