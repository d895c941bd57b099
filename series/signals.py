"""The one domain signal. It is a hint and may be lost; the nightly sweep is the guarantee."""

from django.dispatch import Signal

# Sent after the commit of a report, robustly, with organization_id: int.
activity_recorded = Signal()
