"""Split what a tool printed into lines, without the colors it may have added."""

import re

# A control sequence (parameters, then intermediate bytes, then one final byte) or the choice of a
# character set. Classes that follow each other share no character, so there is one way to match
# and nothing to go back to.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-Z])")


def split(text: str) -> list[str]:
    """The lines without their ends. A lone carriage return ends a line too: terminals redraw so."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n")
