"""Who may do what: one matrix of endpoints, callers, visibility and own or foreign objects."""
