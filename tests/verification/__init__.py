"""One scenario, lived in the sandbox and, where a real test key is given, at Stripe itself."""
