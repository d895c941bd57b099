"""What can go wrong before the command runs."""


class EmbeddedError(Exception):
    """The services cannot be had; the message says why and what to do."""
