"""Tests of the site: settings, clock, embedded services."""
