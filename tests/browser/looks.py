"""How a page is looked at: how wide, in the light or in the dark, with scripts or without."""

import os
from dataclasses import dataclass
from itertools import product, starmap
from typing import Literal

Scheme = Literal["light", "dark"]
NARROW, WIDE = 320, 1280
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Look:
    """A browser window as one person has it."""

    width: int
    scheme: Scheme
    script: bool = True

    def __str__(self) -> str:
        return f"{self.scheme}-{self.width}" + ("" if self.script else "-no-script")


USUAL = Look(WIDE, "light")
PHONE_AT_NIGHT = Look(NARROW, "dark")
PHONE_WITHOUT_SCRIPT = Look(NARROW, "light", script=False)
EVERY = list(starmap(Look, product((WIDE, NARROW), SCHEMES, (True, False))))
# `make test-full` takes the time for each of them.
ALL_OR_TWO = EVERY if os.environ.get("HYPOTHESIS_PROFILE") == "full" else [USUAL, PHONE_AT_NIGHT]
