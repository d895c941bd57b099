"""A customer's year, day by day in the sandbox's time, with and without everything failing."""
