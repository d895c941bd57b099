"""Pages of a long list: only so many rows are counted, however many there are."""

from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:  # Only the type checker knows it as generic.
    _Paginator = Paginator

# 200 pages of the admin's. Whoever looks for what is further down filters or searches.
MOST = 10_000


class CappedPaginator(_Paginator):
    """Counts no further than MOST rows, so that a list of millions opens at once."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: MOST + 1].count())

    @cached_property
    def count(self) -> int:
        """Return how many rows there are to page through, MOST at most."""
        return min(self._counted, MOST)

    @property
    def is_capped(self) -> bool:
        """Tell whether there are more rows than are paged through."""
        return self._counted > MOST
