"""What happens when two things happen at once: real sessions, real commits."""
