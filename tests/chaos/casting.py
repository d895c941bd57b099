"""Prepares the database, with organizations and their projects, by the product's own commands.

One process for all of it, because each one that loads the product takes seconds.
"""

import json
import sys
from io import StringIO
from typing import Any

import django
from django.core.management import call_command

# Each organization's projects, and whether they are private.
CAST = {
    "Acme": {"Engine": True, "Gears": True, "Playground": False},
    "Globex": {"Kernel": True, "Docs": False},
    "Initech": {"Printer": True, "Stapler": True},
}


def main() -> None:
    """Print what the commands said of each organization and its projects, as one JSON list."""
    django.setup()
    call_command("migrate", verbosity=0)
    _told("stripe_setup")
    json.dump([_organization(name, projects) for name, projects in CAST.items()], sys.stdout)


def _organization(name: str, projects: dict[str, bool]) -> dict[str, Any]:
    email = f"leader@{name.lower()}.example.com"
    leader: dict[str, Any] = json.loads(_told("add_organization", name, leader=email))
    return leader | {
        "projects": [
            json.loads(_told("add_project", leader["slug"], project, private=private))
            for project, private in projects.items()
        ]
    }


def _told(*arguments: str, **options: Any) -> str:
    output = StringIO()
    call_command(*arguments, **options, stdout=output)
    return output.getvalue()


if __name__ == "__main__":
    main()
