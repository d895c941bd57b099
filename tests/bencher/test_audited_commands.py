"""What is changed from a shell is in the audit, with the command's name."""

import json
import os
import subprocess
import sys

from bencher.models import Change
from bencher.tenancy.models import Organization
from tests import databases


def test_a_command_in_a_process_of_its_own_is_named(committed_db: str) -> None:
    made = subprocess.run(
        [sys.executable, "manage.py", "add_organization", "Acme", "--leader", "ada@example.com"],
        cwd=databases.ROOT,
        env=os.environ | {"DATABASE_URL": committed_db},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (made.returncode, made.stderr) == (0, "")
    acme = Organization.objects.get(uuid=json.loads(made.stdout)["uuid"])
    changes = Change.objects.filter(relation=Organization._meta.db_table, row=str(acme.pk))
    assert {change.program for change in changes} == {"add_organization"}
