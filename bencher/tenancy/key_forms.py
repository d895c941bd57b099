"""The form in which a person makes an API key."""

from datetime import timedelta

from django import forms

from bencher.tenancy.form_fields import NameField

DAY = int(timedelta(days=1).total_seconds())
# Seconds to live; never is empty.
_LIFETIMES = (
    (str(30 * DAY), "After 30 days"),
    (str(90 * DAY), "After 90 days"),
    (str(365 * DAY), "After a year"),
    ("", "Never, until it is revoked"),
)


class KeyForm(forms.Form):
    """What a key is for, and how long it lives."""

    name = NameField(
        label="Name",
        help_text="Where it will be used, such as “GitHub Actions”.",
        error_messages={"required": "Enter a name that says where the key will be used."},
    )
    ttl = forms.TypedChoiceField(
        label="Expires",
        choices=_LIFETIMES,
        initial=_LIFETIMES[2][0],
        coerce=int,
        empty_value=None,
        required=False,
    )
