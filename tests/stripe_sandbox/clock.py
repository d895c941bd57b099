"""The one place that reads a clock: sandbox time is real time plus an offset."""

import time


class Clock:
    """Whole seconds; moved by hand, otherwise running with real time unless frozen."""

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._frozen_at: int | None = None

    def now(self) -> int:
        """Return the sandbox's time as a Unix timestamp."""
        return self._frozen_at if self._frozen_at is not None else real_now() + self._offset

    @property
    def offset(self) -> int:
        """Seconds between sandbox time and real time."""
        return self.now() - real_now()

    def move_to(self, instant: int) -> None:
        """Jump to an instant; a frozen clock stays frozen there."""
        self._offset = instant - real_now()
        if self._frozen_at is not None:
            self._frozen_at = instant

    def freeze(self) -> None:
        """Stop running: only `move_to` changes the time from here on."""
        self._frozen_at = self.now()


def real_now() -> int:
    """Real time in whole seconds (webhook signatures are always dated with it)."""
    return int(time.time())
