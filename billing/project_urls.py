"""The addresses of an organization's home and of its projects' pages."""

from django.urls import path

from billing import project_views

_ORGANIZATION = "organizations/<slug:organization>/"
_PROJECT = f"{_ORGANIZATION}projects/<slug:project>/"

urlpatterns = [
    path(_ORGANIZATION, project_views.home, name="organization"),
    path(f"{_ORGANIZATION}new-project/", project_views.new, name="project-new"),
    path(f"{_PROJECT}settings/", project_views.project_settings, name="project-settings"),
    path(f"{_PROJECT}visibility/", project_views.set_visibility, name="project-visibility"),
    path(f"{_PROJECT}delete/", project_views.delete, name="project-delete"),
    path(f"{_PROJECT}keys/", project_views.make_key, name="project-keys"),
    path(
        f"{_PROJECT}keys/<uuid:key>/revoke/",
        project_views.revoke_key,
        name="project-key-revoke",
    ),
]
