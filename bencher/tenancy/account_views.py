"""The page of one's own account; what it leads to are django-allauth's views."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bencher.tenancy import account_page
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.account_forms import NameForm


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: SignedInRequest) -> HttpResponse:
    """Show one's account, and change one's name."""
    form = NameForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your name was changed.")
        return redirect("account")
    # The form has changed the name of the user that it was given, also to one that is refused.
    request.user.refresh_from_db(fields=["name"]) if form.errors else None
    page = account_page.present(
        request.user,
        addresses=EmailAddress.objects.filter(user=request.user),
        authenticators=Authenticator.objects.filter(user=request.user),
    )
    return render(request, "account/account.html", {"form": form, "page": page})
