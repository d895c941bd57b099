"""The site's commands, one module each."""
