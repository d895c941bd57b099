"""The endpoints of projects, their keys, and their testbeds, benchmarks and measures."""
