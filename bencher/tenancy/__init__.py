"""Who: users, organizations, members and their keys."""
