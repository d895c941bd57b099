"""Read numbers as benchmark tools print them: no locale, commas between thousands."""

_DIGITS = frozenset("0123456789")
_AFTER_FIRST = _DIGITS | frozenset(".eE+-")


def read(word: str) -> float | None:
    """The number that the whole word is, or None.

    Stricter than float(): no white space, no underscores, no other scripts' digits, no words
    such as "nan", and at least one digit in front. The result may be infinite; the registry
    refuses that.
    """
    digits = word[1:] if word[:1] in ("-", "+") else word
    if digits[:1] not in _DIGITS or not _AFTER_FIRST.issuperset(digits):
        return None
    try:
        return float(word)
    except ValueError:
        return None


def read_grouped(word: str) -> float | None:
    """The number that the whole word is, with commas between groups of three digits allowed."""
    if "," not in word:
        return read(word)
    whole, point, fraction = word.partition(".")
    first, *groups = whole.removeprefix("-").split(",")
    if "," in fraction or not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
        return None
    return read(whole.replace(",", "") + point + fraction)
