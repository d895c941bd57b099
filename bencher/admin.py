"""The staff's site: its name, and the sandbox's clock."""

from django.contrib import admin

from bencher.models import ClockOffset
from bencher.read_only_admin import ReadOnlyAdmin

admin.site.site_header = "Bencher staff"
admin.site.site_title = "Bencher staff"
admin.site.index_title = "Everything that is stored"


@admin.register(ClockOffset)
class ClockOffsetAdmin(ReadOnlyAdmin):
    """How far the sandbox's clock has been moved."""

    list_display = ("id", "ahead")
