"""Reports in: adapters, the one transaction, and the endpoints that CI talks to."""
