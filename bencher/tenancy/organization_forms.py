"""The forms in which organizations are founded, renamed and deleted."""

from typing import Any

from django import forms

from bencher.tenancy.form_fields import NameField, SlugField


class NewOrganizationForm(forms.Form):
    """Founds an organization; without a slug it gets that of its name."""

    name = NameField(label="Name", help_text="What people call it. It can be changed later.")
    slug = SlugField(
        label="Slug",
        required=False,
        help_text="Stands for the name in addresses. Leave it empty to have it made from the name.",
    )


class OrganizationForm(forms.Form):
    """Gives an organization another name or slug."""

    name = NameField(label="Name")
    slug = SlugField(
        label="Slug",
        help_text="Stands for the name in addresses: after a change, links to the old one lead"
        " nowhere, and another organization may take it.",
    )


class SlugConfirmation(forms.Form):
    """Asks for the slug of what is about to go, so that nothing goes by a slip."""

    slug = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, slug: str, data: Any = None) -> None:
        super().__init__(data)
        self.expected = slug
        self.fields["slug"].label = f"Type {slug} to confirm"
        self.fields["slug"].error_messages["required"] = f"Type {slug} to confirm."

    def clean_slug(self) -> str:
        """Refuse any other text."""
        slug: str = self.cleaned_data["slug"]
        if slug != self.expected:
            raise forms.ValidationError(f"This is not {self.expected}. Nothing was deleted.")
        return slug
