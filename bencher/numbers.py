"""How numbers of things are written for people."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write how many of something there are: 1 event, 1,200 events."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
