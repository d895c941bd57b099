"""Read what benchmark tools print. Pure: no Django, no database, one file per format."""
