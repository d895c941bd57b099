"""An organization's projects: the list that is its home, new ones, and the settings of each.

Here and not in `series`, because these pages say what a project and a change to it cost.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from bencher import clock
from bencher.tenancy import access, key_rows, keys
from bencher.tenancy.access import SignedInRequest
from bencher.tenancy.key_forms import KeyForm
from bencher.tenancy.models import Organization, User
from bencher.tenancy.organization_forms import SlugConfirmation
from billing import bill_effects, ci_snippet, project_pages, usage
from billing.project_forms import NewProjectForm, ProjectForm
from series import counting, last_seen, projects
from series.models import Project, ProjectKey, Visibility

_READ_OR_POST = require_http_methods(["GET", "HEAD", "POST"])
_PER_PAGE = 100
_FIRST_KEY = "CI"


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was just made, with the lines for CI that use it."""

    text: str
    snippet: str


@never_cache
@login_required
@require_safe
def home(request: SignedInRequest, organization: str) -> HttpResponse:
    """List an organization's projects, for all of its people."""
    found, leads = access.joined_by(request.user, organization)
    now = clock.now()
    within = usage.bounds(found, now=now)
    count = counting.count_active(
        found.pk, start=within.starts_at, end=within.ends_at, basis=within.basis
    )
    page = Paginator(_living(found).order_by("name"), _PER_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "organization": found,
        "leads": leads,
        "page": page,
        "projects": project_pages.rows(
            list(page), count=count, last_seen=last_seen.by_project(found.pk)
        ),
        "within": project_pages.within(within),
    }
    if leads and not page.paginator.count:
        context["form"] = _new_form(found)
        context["snippet"] = ci_snippet.snippet(
            host=settings.BASE_URL, project="YOUR-PROJECT", key=f"{keys.PROJECT_PREFIX}…"
        )
    return render(request, "billing/project_list.html", context)


@never_cache
@login_required
@_READ_OR_POST
def new(request: SignedInRequest, organization: str) -> HttpResponse:
    """Make a project and its first key, which the answer shows, this once."""
    found = access.led_by(request.user, organization, what="New projects")
    form = _new_form(found, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _new(request, found, form, status=422 if form.is_bound else 200)
    visibility = Visibility(form.cleaned_data["visibility"])
    now = clock.now()
    try:
        if visibility is Visibility.PRIVATE:
            projects.check_may_be_private(found, now=now)
        project = projects.add(
            organization=found,
            name=form.cleaned_data["name"],
            slug=form.cleaned_data["slug"],
            visibility=visibility,
            now=now,
            by=request.user,
        )
    except projects.PrivateNeedsPlanError as error:
        form.add_error("visibility", str(error))
        return _new(request, found, form, status=409)
    except projects.TakenError:
        form.add_error("name", f"{found.name} has a project of this name. Choose another one.")
        return _new(request, found, form, status=409)
    made = _make_key(project, name=_FIRST_KEY, ttl=None, by=request.user)
    context = {"organization": found, "project": project, "made": made}
    return render(request, "billing/project_made.html", context)


@never_cache
@login_required
@_READ_OR_POST
def project_settings(request: SignedInRequest, organization: str, project: str) -> HttpResponse:
    """Show a project's name, visibility and keys; POST changes name, slug and address."""
    found = _led(request, organization, project)
    if request.method != "POST":
        form = ProjectForm(initial={"name": found.name, "slug": found.slug, "url": found.url})
        return _settings(request, found, form=form)
    form = ProjectForm(request.POST)
    if not form.is_valid():
        return _settings(request, found, form=form, status=422)
    try:
        projects.change(
            found, **form.cleaned_data, visibility=None, now=clock.now(), by=request.user
        )
    except projects.TakenError as error:
        form.add_error(None, f"{error} Choose another one.")
        found.refresh_from_db()
        return _settings(request, found, form=form, status=409)
    messages.success(request, "The project’s name and slug are saved.")
    return redirect("project-settings", found.organization.slug, found.slug)


@never_cache
@login_required
@_READ_OR_POST
def set_visibility(request: SignedInRequest, organization: str, project: str) -> HttpResponse:
    """Say what making a project public or private does, also to the bill; POST does it."""
    found = _led(request, organization, project)
    other = _other(found)
    if request.method == "POST":
        return _flip(request, found, request.POST.get("visibility", ""))
    now = clock.now()
    effect = bill_effects.of_visibility(found, other, now=now)
    context = {
        "organization": found.organization,
        "project": found,
        "to": other.value,
        "needs_plan": other is Visibility.PRIVATE and not _may_be_private(found.organization),
        "effect": project_pages.of_visibility(effect, other),
    }
    return render(request, "billing/project_visibility.html", context)


@never_cache
@login_required
@_READ_OR_POST
def delete(request: SignedInRequest, organization: str, project: str) -> HttpResponse:
    """Say what goes with a project; POST, with its slug typed, deletes it."""
    found = _led(request, organization, project)
    form = SlugConfirmation(found.slug, request.POST if request.method == "POST" else None)
    if form.is_valid():
        projects.delete(found, now=clock.now(), by=request.user)
        messages.success(request, f"The project {found.name} is deleted.")
        return redirect("organization", found.organization.slug)
    effect = bill_effects.of_deletion(found, now=clock.now())
    context = {
        "organization": found.organization,
        "project": found,
        "form": form,
        "effect": project_pages.of_deletion(effect),
    }
    status = 422 if form.is_bound else 200
    return render(request, "billing/project_delete.html", context, status=status)


@never_cache
@login_required
@_READ_OR_POST
def make_key(request: SignedInRequest, organization: str, project: str) -> HttpResponse:
    """Make a key for a project and show it in the answer, this once."""
    found = _led(request, organization, project)
    if request.method != "POST":
        return redirect("project-settings", found.organization.slug, found.slug)
    form = KeyForm(request.POST, auto_id="key_%s")
    if not form.is_valid():
        return _settings(request, found, key_form=form, status=422)
    made = _make_key(found, by=request.user, **form.cleaned_data)
    return _settings(request, found, made=made)


@never_cache
@login_required
@_READ_OR_POST
def revoke_key(
    request: SignedInRequest, organization: str, project: str, key: UUID
) -> HttpResponse:
    """Say what revoking a project's key does; POST does it."""
    found = _led(request, organization, project)
    one = get_object_or_404(ProjectKey, project=found, uuid=key)
    if request.method == "POST":
        keys.revoke(one, now=clock.now())
        messages.success(request, f"The key {one.prefix}… is revoked: it opens nothing any more.")
        return redirect("project-settings", found.organization.slug, found.slug)
    context = {
        "organization": found.organization,
        "project": found,
        "key": _key_rows(found, ProjectKey.objects.filter(pk=one.pk))[0],
    }
    return render(request, "billing/project_key_revoke.html", context)


def _living(organization: Organization) -> QuerySet[Project]:
    return Project.objects.filter(organization=organization, deleted_at=None)


def _led(request: SignedInRequest, organization: str, project: str) -> Project:
    """Return a project of an organization that the caller leads. Raises as `led_by`."""
    found = access.led_by(request.user, organization, what="Settings of projects")
    one = _living(found).filter(slug=project).first()
    if one is None:
        raise Http404(f"{found.name} has no project {project!r}.")
    one.organization = found
    return one


def _other(project: Project) -> Visibility:
    is_private = project.visibility == Visibility.PRIVATE
    return Visibility.PUBLIC if is_private else Visibility.PRIVATE


def _may_be_private(organization: Organization) -> bool:
    try:
        projects.check_may_be_private(organization, now=clock.now())
    except projects.PrivateNeedsPlanError:
        return False
    return True


def _new_form(organization: Organization, data: Any = None) -> NewProjectForm:
    return NewProjectForm(data, may_be_private=_may_be_private(organization))


def _new(
    request: SignedInRequest, organization: Organization, form: NewProjectForm, *, status: int
) -> HttpResponse:
    context = {"organization": organization, "form": form}
    return render(request, "billing/project_new.html", context, status=status)


def _make_key(project: Project, *, name: str, ttl: int | None, by: User) -> MadeKey:
    now = clock.now()
    key = ProjectKey(
        project=project,
        creator=by,
        name=name,
        created_at=now,
        expires_at=keys.expiry(ttl, now=now),
    )
    text = keys.issue(key, keys.PROJECT_PREFIX)
    lines = ci_snippet.snippet(host=settings.BASE_URL, project=project.slug, key=text)
    return MadeKey(text=text, snippet=lines)


def _flip(request: SignedInRequest, project: Project, to: str) -> HttpResponse:
    """Flip a project. `to` is what the page showed, so that a repeat does not flip it back."""
    if to not in Visibility.values:
        raise Http404(f"There is no visibility {to!r}.")
    try:
        projects.change(
            project,
            name=None,
            slug=None,
            url=None,
            visibility=Visibility(to),
            now=clock.now(),
            by=request.user,
        )
    except projects.PrivateNeedsPlanError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{project.name} is {to}.")
    return redirect("project-settings", project.organization.slug, project.slug)


def _settings(
    request: SignedInRequest,
    project: Project,
    *,
    form: ProjectForm | None = None,
    key_form: KeyForm | None = None,
    made: MadeKey | None = None,
    status: int = 200,
) -> HttpResponse:
    stored = {"name": project.name, "slug": project.slug, "url": project.url}
    other = _other(project)
    effect = bill_effects.of_visibility(project, other, now=clock.now())
    living = project.keys.filter(revoked_at=None).order_by("-created_at")
    context = {
        "organization": project.organization,
        "project": project,
        "visibility": Visibility(project.visibility).label,
        "to": other.value,
        "form": form or ProjectForm(initial=stored),
        "key_form": key_form or KeyForm(auto_id="key_%s"),
        "made": made,
        "keys": _key_rows(project, living),
        "effect": project_pages.of_visibility(effect, other),
    }
    return render(request, "billing/project_settings.html", context, status=status)


def _key_rows(project: Project, found: QuerySet[ProjectKey]) -> list[key_rows.KeyRow]:
    place = (project.organization.slug, project.slug)
    return key_rows.of(
        found,
        now=clock.now(),
        revoke=lambda uuid: reverse("project-key-revoke", args=[*place, uuid]),
    )
