"""The forms in which leaders invite people and change their roles."""

from django import forms

from bencher.tenancy.models import Role

_ROLES = (
    (Role.MEMBER.value, "Member: sees projects and people"),
    (Role.LEADER.value, "Leader: does everything, plan and bills included"),
)


class InvitationForm(forms.Form):
    """Invites an address."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        error_messages={
            "required": "Enter the address of the person to invite.",
            "invalid": "This is no e-mail address. It looks like ada@example.com.",
        },
    )
    role = forms.ChoiceField(label="Role", choices=_ROLES, initial=Role.MEMBER.value)

    def clean_email(self) -> str:
        """Return the address in lower case, as addresses are stored."""
        email: str = self.cleaned_data["email"]
        return email.lower()


class RoleForm(forms.Form):
    """Gives a member another role."""

    role = forms.ChoiceField(label="Role", choices=Role.choices)
