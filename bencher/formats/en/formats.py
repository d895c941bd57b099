"""As `bencher.dates` writes them."""

DATE_FORMAT = "j F Y"
DATETIME_FORMAT = r"j F Y, H:i:s \U\T\C"
SHORT_DATETIME_FORMAT = r"j M Y, H:i:s \U\T\C"
