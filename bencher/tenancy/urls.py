"""The addresses of signing in and of the list of organizations."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from bencher.tenancy import views

urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("organizations/", views.organizations, name="organizations"),
]
