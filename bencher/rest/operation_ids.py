"""Names of the API's operations in its OpenAPI document: projects_reports_list."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

_VERBS = {"POST": "create", "PATCH": "update", "PUT": "replace", "DELETE": "delete"}


class NamedOperations(AutoSchema):
    """Names each operation after its path and what it does; a list is told by its paging."""

    def get_operation_id(self) -> str:
        """Return the name."""
        words = [part for part in self.path.split("/")[2:] if not part.startswith("{")]
        return "_".join([*words, self._verb()]).replace(".", "_")

    def _verb(self) -> str:
        if self.method != "GET":
            return _VERBS[self.method]
        if self.path.endswith("}"):
            return "get"
        parameters: list[Any] = self.get_override_parameters()
        is_paged = any(found.name == "X-Total-Count" for found in parameters)
        return "list" if is_paged else "show"
