"""Runs a command as root on a system that forbids user namespaces, as most containers do.

Usage: python -m tests.bencher.without_namespaces COMMAND…
"""

import os
import sys
from pathlib import Path

from bencher.embedded import linux


def main(command: list[str]) -> None:
    """Enter a namespace that looks like the outside, forbid more of them, and run the command."""
    inside, outside = os.pipe(), os.pipe()
    child = os.fork()
    if child != 0:
        os.read(inside[0], 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text("0 0 70000")
        os.write(outside[1], b"x")
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    linux.enter_user_namespace()
    os.write(inside[1], b"x")
    os.read(outside[0], 1)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
