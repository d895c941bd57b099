"""The addresses of projects and what is measured in them, under /v0."""

from django.urls import path

from series.api import benchmarks, measures, project_keys, projects, testbeds

urlpatterns = [
    path("organizations/<str:organization>/projects", projects.OrganizationProjectList.as_view()),
    path("projects", projects.ProjectList.as_view()),
    path("projects/<str:project>", projects.ProjectDetail.as_view()),
    path("projects/<str:project>/allowed/<str:permission>", projects.ProjectAllowed.as_view()),
    path("projects/<str:project>/keys", project_keys.ProjectKeyList.as_view()),
    path("projects/<str:project>/keys/<str:key>", project_keys.ProjectKeyDetail.as_view()),
    path("projects/<str:project>/testbeds", testbeds.TestbedList.as_view()),
    path("projects/<str:project>/testbeds/<str:testbed>", testbeds.TestbedDetail.as_view()),
    path("projects/<str:project>/benchmarks", benchmarks.BenchmarkList.as_view()),
    path("projects/<str:project>/benchmarks/<str:benchmark>", benchmarks.BenchmarkDetail.as_view()),
    path("projects/<str:project>/measures", measures.MeasureList.as_view()),
    path("projects/<str:project>/measures/<str:measure>", measures.MeasureDetail.as_view()),
]
