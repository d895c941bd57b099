"""The few system calls that Python 3.11 does not offer."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this process the signal when its parent ends.

    Any change of user clears it, so it comes last before exec.
    """
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def own_proc_files() -> None:
    """Get back our files in /proc/self, which a change of user gave to root."""
    _prctl(_PR_SET_DUMPABLE, 1)


def set_process_name(name: str) -> None:
    """Show this name in ps and top instead of "python"."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl")


def enter_user_namespace() -> None:
    """Move this process into a user namespace of its own."""
    _check(_libc.unshare(_CLONE_NEWUSER), "unshare")
