"""A state machine over everything that can happen to a bill, and what must hold after each step."""
