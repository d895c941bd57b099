"""The endpoints of organizations, their members, and users with their keys."""
