"""The forms in which leaders make and change projects."""

from typing import Any

from django import forms

from bencher.tenancy.form_fields import NameField, SlugField
from series.models import Visibility

_MEANINGS = (
    (
        Visibility.PRIVATE.value,
        "Private: only your people see it, and its active series are billed",
    ),
    (Visibility.PUBLIC.value, "Public: everybody sees it, and it is free"),
)

NEEDS_PLAN = "Private projects need a plan, which this organization does not have."


class NewProjectForm(forms.Form):
    """Makes a project; private is only offered where a plan covers it."""

    name = NameField(label="Name", help_text="What it measures, such as Engine.")
    slug = SlugField(
        label="Slug",
        required=False,
        help_text="CI names the project by it. Leave it empty to have it made from the name.",
    )
    visibility = forms.ChoiceField(
        label="Visibility", choices=_MEANINGS, widget=forms.RadioSelect, required=True
    )

    def __init__(self, data: Any = None, *, may_be_private: bool) -> None:
        offered = _MEANINGS if may_be_private else _MEANINGS[1:]
        super().__init__(data, initial={"visibility": offered[0][0]})
        field = self.fields["visibility"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = offered
        if not may_be_private:
            field.help_text = field.error_messages["invalid_choice"] = NEEDS_PLAN


class ProjectForm(forms.Form):
    """Gives a project another name, slug or address."""

    name = NameField(label="Name")
    slug = SlugField(
        label="Slug",
        help_text="CI names the project by it: after a change, jobs that send the old one fail"
        " until you change them too.",
    )
    url = forms.URLField(
        label="Web address",
        max_length=1024,
        required=False,
        assume_scheme="https",
        help_text="Where people read more, such as its repository. May be empty.",
        error_messages={
            "invalid": "This is no web address. It looks like https://example.com/engine."
        },
    )
