"""The addresses of accounts.

Those of django-allauth have the names that it looks for; `sign-in`, `sign-up` and `sign-out` are
ours for the same pages.
"""

from allauth.account import views as allauth
from django.urls import include, path, re_path
from django.views.decorators.http import require_POST

from bencher.tenancy import account_views, impersonating

_sign_out = require_POST(allauth.logout)

urlpatterns = [
    path("sign-in/", allauth.login, name="sign-in"),
    path("sign-in/", allauth.login, name="account_login"),
    path("sign-up/", allauth.signup, name="sign-up"),
    path("sign-up/", allauth.signup, name="account_signup"),
    path("sign-out/", _sign_out, name="sign-out"),
    path("sign-out/", _sign_out, name="account_logout"),
    path("staff/stop/", impersonating.stop, name="stop-impersonating"),
    path("account/", account_views.account, name="account"),
    path("account/off/", allauth.account_inactive, name="account_inactive"),
    path("account/confirm/", allauth.reauthenticate, name="account_reauthenticate"),
    path("account/email/", allauth.email, name="account_email"),
    path(
        "account/email/sent/",
        allauth.email_verification_sent,
        name="account_email_verification_sent",
    ),
    re_path(
        r"^account/email/verify/(?P<key>[-:\w]+)/$",
        allauth.confirm_email,
        name="account_confirm_email",
    ),
    path("account/password/", allauth.password_change, name="account_change_password"),
    path("account/password/first/", allauth.password_set, name="account_set_password"),
    path("account/password/reset/", allauth.password_reset, name="account_reset_password"),
    path(
        "account/password/reset/sent/",
        allauth.password_reset_done,
        name="account_reset_password_done",
    ),
    path(
        "account/password/reset/done/",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^account/password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("account/second-factor/", include("allauth.mfa.urls")),
]
