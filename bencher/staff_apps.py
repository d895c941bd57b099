"""Puts the staff's site in the place of Django's own.

A module of its own: in `bencher.apps` it would compete with the project's app for being found.
"""

from django.contrib.admin.apps import AdminConfig


class StaffConfig(AdminConfig):
    """Django's admin, with our site."""

    default_site = "bencher.staff_site.StaffSite"
