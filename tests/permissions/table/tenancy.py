"""Organizations, members, users and their keys."""

from tests.permissions.rules import Row, Scope

ORGANIZATION = "/v0/organizations/{organization}"
MEMBERS = f"{ORGANIZATION}/members"
MEMBER = f"{MEMBERS}/{{member}}"
USER = "/v0/users/{user}"
KEYS = f"{USER}/keys"
KEY = f"{KEYS}/{{user_key}}"

_ORGANIZATION = Scope.ORGANIZATION

ROWS = [
    Row(method="get", path="/v0/organizations", scope=Scope.SIGNED_IN),
    Row(
        method="post",
        path="/v0/organizations",
        scope=Scope.SIGNED_IN,
        success=201,
        body={"name": "New"},
    ),
    Row(method="get", path=ORGANIZATION, scope=_ORGANIZATION),
    Row(
        method="patch", path=ORGANIZATION, scope=_ORGANIZATION, needs="edit", body={"name": "Other"}
    ),
    Row(method="delete", path=ORGANIZATION, scope=_ORGANIZATION, needs="delete", success=204),
    Row(method="get", path=f"{ORGANIZATION}/allowed/{{permission}}", scope=_ORGANIZATION),
    Row(method="get", path=MEMBERS, scope=_ORGANIZATION, needs="view_role"),
    Row(
        method="post",
        path=MEMBERS,
        scope=_ORGANIZATION,
        needs="create_role",
        success=202,
        body={"email": "new@example.com", "role": "leader"},
    ),
    Row(method="get", path=MEMBER, scope=_ORGANIZATION, needs="view_role", object="member"),
    Row(
        method="patch",
        path=MEMBER,
        scope=_ORGANIZATION,
        needs="edit_role",
        object="member",
        body={"role": "leader"},
    ),
    Row(
        method="delete",
        path=MEMBER,
        scope=_ORGANIZATION,
        needs="delete_role",
        object="member",
        success=204,
    ),
    Row(method="get", path=USER, scope=Scope.USER),
    Row(method="get", path=KEYS, scope=Scope.USER, sessions=True),
    Row(
        method="post",
        path=KEYS,
        scope=Scope.USER,
        sessions=True,
        mints=True,
        success=201,
        body={"name": "new"},
    ),
    *(
        Row(
            method=method,
            path=KEY,
            scope=Scope.USER,
            object="user_key",
            sessions=True,
            key_knows_itself=True,
            success=204 if method == "delete" else 200,
            body={"name": "renamed"} if method == "patch" else None,
        )
        for method in ("get", "patch", "delete")
    ),
]
