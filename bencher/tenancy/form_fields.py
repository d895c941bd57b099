"""Form fields for names and slugs: the rules of `naming` in words for people."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from bencher.tenancy import naming, slugs


class NameField(forms.CharField):
    """A name; white space around it is dropped."""

    def __init__(self, *, max_bytes: int = naming.MAX_BYTES, **options: Any) -> None:
        self.max_bytes = max_bytes
        options.setdefault("error_messages", {"required": "Enter a name."})
        super().__init__(**options)

    def validate(self, value: str) -> None:
        """Refuse what is too long in UTF-8, which is how it is stored and sent."""
        super().validate(value)
        length = len(value.encode(errors="replace"))
        if length > self.max_bytes:
            raise ValidationError(
                f"This name has {length} bytes, and {self.max_bytes} is the most. Letters beyond"
                " a–z and digits take two to four bytes each."
            )


class SlugField(forms.CharField):
    """A slug: what stands for a name in addresses."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("error_messages", {"required": "Enter a slug, such as acme-engine."})
        super().__init__(**options)

    def validate(self, value: str) -> None:
        """Refuse what is no slug."""
        super().validate(value)
        if value and not slugs.is_slug(value):
            raise ValidationError(
                f"A slug has at most {slugs.MAX_LENGTH} characters: lower-case letters a–z and"
                " digits, words joined by single dashes, such as acme-engine."
            )
