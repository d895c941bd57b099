"""The addresses of pages that explain a bill: its series, its statements."""

from django.urls import path

from billing import period_addresses, series_views, statement_views, what_if_views

period_addresses.register()

urlpatterns = [
    path("series/", series_views.series, name="billing-series"),
    path("series/file/", series_views.series_file, name="billing-series-file"),
    path("periods/<instant:period>/series/", series_views.series, name="billing-series-period"),
    path("statements/<uuid:statement>/", statement_views.statement, name="statement"),
    path("what-if/", what_if_views.what_if, name="what-if"),
]
