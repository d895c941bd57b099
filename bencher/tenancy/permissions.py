"""What roles allow, as Bencher has it: in organizations, and in their projects."""

from enum import StrEnum

from bencher.tenancy.models import Role


class Permission(StrEnum):
    """What somebody may want to do to an organization or a project."""

    VIEW = "view"
    CREATE = "create"
    EDIT = "edit"
    DELETE = "delete"
    MANAGE = "manage"
    VIEW_ROLE = "view_role"
    CREATE_ROLE = "create_role"
    EDIT_ROLE = "edit_role"
    DELETE_ROLE = "delete_role"


READING = frozenset({Permission.VIEW, Permission.VIEW_ROLE})
WRITING = frozenset({Permission.CREATE, Permission.EDIT, Permission.DELETE})
EVERYTHING = frozenset(Permission)

IN_ORGANIZATION = {Role.MEMBER: READING, Role.LEADER: EVERYTHING}
