"""Corrections of statements, written once, applied by a second person. Before deploy."""

import django.contrib.postgres.functions
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TABLES = ("billing_correction", "billing_correctiondecision")

ROW_TRIGGER = """
CREATE TRIGGER {table}_is_final BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION billing_refuse_change()
"""

TRUNCATE_TRIGGER = """
CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change()
"""

# What a check constraint can't see: the correction stands in another table.
SECOND_PERSON = """
CREATE FUNCTION billing_need_second_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.applied AND NEW.decided_by_id = (
        SELECT proposed_by_id FROM billing_correction WHERE id = NEW.correction_id
    ) THEN
        RAISE EXCEPTION 'a second person applies a correction'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$
"""

SECOND_PERSON_TRIGGER = """
CREATE TRIGGER billing_correctiondecision_needs_second_person
BEFORE INSERT ON billing_correctiondecision
FOR EACH ROW EXECUTE FUNCTION billing_need_second_person()
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0010_plan_life"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Correction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "uuid",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        editable=False,
                        unique=True,
                    ),
                ),
                ("series", models.PositiveIntegerField(help_text="What should have been billed.")),
                (
                    "amount_cents",
                    models.PositiveBigIntegerField(
                        help_text="What that costs by the price in force."
                    ),
                ),
                ("before_series", models.PositiveIntegerField()),
                ("before_cents", models.PositiveBigIntegerField()),
                ("why", models.TextField()),
                ("proposed_at", models.DateTimeField()),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "statement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="billing.statement",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CorrectionDecision",
            fields=[
                (
                    "correction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="decision",
                        serialize=False,
                        to="billing.correction",
                    ),
                ),
                ("applied", models.BooleanField(help_text="Otherwise it was declined.")),
                (
                    "stripe_credit_note_id",
                    models.CharField(
                        blank=True, help_text="Empty where nothing was given back.", max_length=64
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                (
                    "decided_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="correction",
            constraint=models.CheckConstraint(
                condition=models.Q(("why", ""), _negated=True), name="correction_has_a_reason"
            ),
        ),
        migrations.AddConstraint(
            model_name="correction",
            constraint=models.CheckConstraint(
                condition=models.Q(("series", models.F("before_series")), _negated=True),
                name="correction_corrects",
            ),
        ),
        migrations.AddConstraint(
            model_name="correctiondecision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("applied", True), ("stripe_credit_note_id", ""), _connector="OR"
                ),
                name="declined_corrections_give_nothing_back",
            ),
        ),
        *(
            migrations.RunSQL(
                [ROW_TRIGGER.format(table=table), TRUNCATE_TRIGGER.format(table=table)],
                [
                    f"DROP TRIGGER {table}_is_final ON {table}",
                    f"DROP TRIGGER {table}_is_not_truncated ON {table}",
                ],
            )
            for table in TABLES
        ),
        migrations.RunSQL(
            [SECOND_PERSON, SECOND_PERSON_TRIGGER],
            [
                "DROP TRIGGER billing_correctiondecision_needs_second_person"
                " ON billing_correctiondecision",
                "DROP FUNCTION billing_need_second_person()",
            ],
        ),
    ]
