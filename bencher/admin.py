"""The sandbox's clock, for staff."""

from django.contrib import admin

from bencher.models import ClockOffset
from bencher.read_only_admin import ReadOnlyAdmin


@admin.register(ClockOffset)
class ClockOffsetAdmin(ReadOnlyAdmin):
    """How far the sandbox's clock has been moved."""

    list_display = ("id", "ahead")
