"""What is measured: projects, their dimensions, and when each series was last seen."""
