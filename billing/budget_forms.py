"""The form in which a leader sets a budget."""

from decimal import Decimal
from typing import Any, Self

from django import forms

from billing.models import Budget
from billing.notice_models import THRESHOLDS

_FIELDS: dict[Budget.Unit, forms.Field] = {
    Budget.Unit.SERIES: forms.IntegerField(
        label="Active series in a period",
        min_value=1,
        max_value=100_000_000,
        required=False,
        help_text="A whole number. Leave it empty for no budget.",
    ),
    Budget.Unit.AMOUNT: forms.DecimalField(
        label="US dollars in a period",
        min_value=Decimal(1),
        max_value=Decimal(10_000_000),
        decimal_places=2,
        required=False,
        help_text="Such as 150 or 150.50, before tax. Leave it empty for no budget.",
    ),
}


class BudgetForm(forms.Form):
    """A limit in one unit and the thresholds; an empty limit takes the budget back."""

    limit = forms.Field()
    thresholds = forms.TypedMultipleChoiceField(
        label="Tell the leaders at",
        choices=[(percent, f"{percent}%") for percent in THRESHOLDS],
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self, unit: Budget.Unit, data: Any = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, prefix=unit.value, initial=initial)
        self.unit = unit
        self.budget: Budget | None = None
        self.fields = {"limit": _FIELDS[unit], "thresholds": self.fields["thresholds"]}

    @classmethod
    def showing(cls, budget: Budget | None, unit: Budget.Unit) -> Self:
        """Return the form with a budget filled in; for none, ready for a new one."""
        if budget is None:
            return cls(unit, initial={"thresholds": list(THRESHOLDS)})
        limit = budget.limit if unit == Budget.Unit.SERIES else Decimal(budget.limit).scaleb(-2)
        form = cls(unit, initial={"limit": limit, "thresholds": budget.thresholds})
        form.budget = budget
        return form

    def clean(self) -> dict[str, Any]:
        """Refuse a budget of which nobody would be told."""
        cleaned = self.cleaned_data
        if cleaned.get("limit") is not None and cleaned.get("thresholds") == []:
            self.add_error("thresholds", "Choose at least one, or leave the limit empty.")
        return cleaned

    def entered(self) -> int | None:
        """Return the limit as it is stored, in series or cents; None takes the budget back."""
        limit: int | Decimal | None = self.cleaned_data["limit"]
        if limit is None or self.unit == Budget.Unit.SERIES:
            return None if limit is None else int(limit)
        return int(limit * 100)
