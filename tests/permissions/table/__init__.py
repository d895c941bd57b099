"""The rows of the matrix, a module for each part of the API.

To add endpoints, add a module here. It has `ROWS: list[Row]`, and where a path names an object
within a project, `objects(project) -> dict[str, str]`, which makes one of each kind in a project
and returns its UUID or slug by placeholder. Nothing else has to be told of it.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from series.models import Project
from tests.permissions.rules import Row


def modules() -> list[ModuleType]:
    """Return the modules of the table."""
    return [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]


def rows() -> list[Row]:
    """Return all rows."""
    return [row for module in modules() for row in module.ROWS]


def objects(project: Project) -> dict[str, str]:
    """Make one object of each kind in a project; returns them by placeholder."""
    made: dict[str, str] = {}
    for module in modules():
        if hasattr(module, "objects"):
            made |= module.objects(project)
    return made
