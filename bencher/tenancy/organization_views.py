"""Founding an organization, renaming it, and deleting it."""

import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bencher import clock
from bencher.tenancy import access, deletion, organizations
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.models import Organization
from bencher.tenancy.organization_forms import (
    NewOrganizationForm,
    OrganizationForm,
    SlugConfirmation,
)

logger = logging.getLogger(__name__)

_READ_OR_POST = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@login_required
@_READ_OR_POST
def new(request: SignedInRequest) -> HttpResponse:
    """Found an organization, which its founder leads."""
    form = NewOrganizationForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "tenancy/organization_new.html", {"form": form}, status=status)
    founded = organizations.found(
        name=form.cleaned_data["name"],
        slug=form.cleaned_data["slug"],
        leader=request.user,
        now=clock.now(),
    )
    messages.success(request, f"{founded.name} is founded. Its slug is {founded.slug}.")
    return redirect("organization", founded.slug)


@never_cache
@login_required
@_READ_OR_POST
def settings(request: SignedInRequest, organization: str) -> HttpResponse:
    """Show name and slug; POST changes them."""
    found = access.led_by(request.user, organization, what="Settings")
    if request.method != "POST":
        form = OrganizationForm(initial={"name": found.name, "slug": found.slug})
        return _settings(request, found, form)
    form = OrganizationForm(request.POST)
    if not form.is_valid():
        return _settings(request, found, form, status=422)
    try:
        organizations.change(
            found, name=form.cleaned_data["name"], slug=form.cleaned_data["slug"], now=clock.now()
        )
    except organizations.SlugTakenError as error:
        form.add_error("slug", f"{error} Choose another one.")
        # What could not be stored must not be shown as if it were.
        found.refresh_from_db()
        return _settings(request, found, form, status=409)
    messages.success(request, "Name and slug are saved.")
    return redirect("organization-settings", found.slug)


@never_cache
@login_required
@_READ_OR_POST
def delete(request: SignedInRequest, organization: str) -> HttpResponse:
    """Say what goes with an organization; POST, with its slug typed, deletes it."""
    found = access.led_by(request.user, organization, what="Settings")
    if request.method != "POST":
        return _deletion(request, found, SlugConfirmation(found.slug))
    form = SlugConfirmation(found.slug, request.POST)
    if not form.is_valid():
        return _deletion(request, found, form, status=422)
    try:
        deleted = deletion.delete(found, now=clock.now(), by=request.user)
    except (deletion.StillInUseError, deletion.UnavailableError) as error:
        logger.warning("organization not deleted", extra={"organization": found.pk})
        form.add_error(None, str(error))
        status = 503 if isinstance(error, deletion.UnavailableError) else 409
        return _deletion(request, found, form, status=status)
    if deleted:
        messages.success(request, f"{found.name} is deleted.")
    else:
        messages.info(
            request,
            f"The plan of {found.name} is being ended: its last usage is billed and proven first."
            " The organization is deleted by itself in a few minutes; nothing else is to be done.",
        )
    return redirect("organizations")


def _settings(
    request: SignedInRequest, organization: Organization, form: OrganizationForm, status: int = 200
) -> HttpResponse:
    context = {"organization": organization, "form": form}
    return render(request, "tenancy/organization_settings.html", context, status=status)


def _deletion(
    request: SignedInRequest, organization: Organization, form: SlugConfirmation, status: int = 200
) -> HttpResponse:
    context = {
        "organization": organization,
        "form": form,
        "consequences": deletion.consequences(organization, now=clock.now()),
    }
    return render(request, "tenancy/organization_delete.html", context, status=status)
