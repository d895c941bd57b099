"""The main job, told as a short story against real processes: `make demo`."""
