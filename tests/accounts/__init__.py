"""Accounts: signing up and in, passwords, addresses, second factors."""
