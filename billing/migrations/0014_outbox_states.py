"""What adds up goes through the outbox too; claims have tokens, and attempts an end. Before deploy.

The index of what is to be sent takes the place of one that did not know undecided events.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0013_names_of_lines_can_be_erased"),
        ("tenancy", "0002_slugs_of_the_living"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="meterevent",
            name="meter_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="meterevent",
            name="meter_event_reason_is_known",
        ),
        migrations.RemoveIndex(
            model_name="meterevent",
            name="meter_events_waiting",
        ),
        migrations.AddField(
            model_name="meterevent",
            name="claim",
            field=models.UUIDField(
                blank=True,
                help_text="Who claimed it last: nobody else's outcome is stored.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="meterevent",
            name="expired_at",
            field=models.DateTimeField(
                blank=True, help_text="When it was too old for Stripe, which rejects it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="meterevent",
            name="missing_at",
            field=models.DateTimeField(
                blank=True, help_text="When Stripe's meter was seen not to hold it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="meterevent",
            name="resends",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How often staff had it sent again."
            ),
        ),
        migrations.AddField(
            model_name="meterevent",
            name="source_uuid",
            field=models.UUIDField(
                blank=True,
                help_text="The report or the call about runner minutes that it stands for.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="meterevent",
            name="unanswered_since",
            field=models.DateTimeField(
                blank=True,
                help_text="The first attempt that Stripe may have applied unseen.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="meterevent",
            name="undecided_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When sending it again began to risk billing twice.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="senderlease",
            name="paused_until",
            field=models.DateTimeField(
                blank=True, help_text="Nobody sends before; on the real clock.", null=True
            ),
        ),
        migrations.AddField(
            model_name="senderlease",
            name="paused_why",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Empty while Stripe takes our key.",
                max_length=500,
            ),
        ),
        migrations.AlterField(
            model_name="meterevent",
            name="meter",
            field=models.CharField(
                choices=[
                    ("active_series", "Active Series"),
                    ("metrics", "Metrics"),
                    ("runner_minutes", "Runner Minutes"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="meterevent",
            name="period",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="Whose count it is; empty where values add up.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="meter_events",
                to="billing.billingperiod",
            ),
        ),
        migrations.AlterField(
            model_name="meterevent",
            name="reason",
            field=models.CharField(
                choices=[
                    ("hint", "after a report"),
                    ("sweep", "nightly sweep"),
                    ("pre-close", "shortly before the end"),
                    ("close", "period closed"),
                    ("manual", "by hand"),
                    ("usage", "a report, or minutes of a runner"),
                ],
                max_length=9,
            ),
        ),
        migrations.AddIndex(
            model_name="meterevent",
            index=models.Index(
                condition=models.Q(
                    ("rejected_at", None),
                    ("sent_at", None),
                    ("superseded_at", None),
                    ("undecided_at", None),
                ),
                fields=["customer", "meter"],
                name="meter_events_to_send",
            ),
        ),
        migrations.AddIndex(
            model_name="meterevent",
            index=models.Index(
                condition=models.Q(("undecided_at", None), _negated=True),
                fields=["undecided_at"],
                name="meter_events_undecided",
            ),
        ),
        migrations.AddIndex(
            model_name="meterevent",
            index=models.Index(
                condition=models.Q(("source_uuid", None), _negated=True),
                fields=["customer", "meter", "timestamp"],
                name="meter_events_that_add_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterevent",
            constraint=models.UniqueConstraint(
                condition=models.Q(("source_uuid", None), _negated=True),
                fields=("meter", "source_uuid"),
                name="one_event_per_meter_and_source",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("meter", "active_series"), ("period__isnull", False), ("source_uuid", None)
                    ),
                    models.Q(
                        ("meter__in", ["metrics", "runner_minutes"]),
                        ("period", None),
                        ("reason", "usage"),
                        ("source_uuid__isnull", False),
                        ("superseded_at", None),
                    ),
                    _connector="OR",
                ),
                name="meter_event_says_what_it_stands_for",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("undecided_at", None),
                    models.Q(("meter", "active_series"), _negated=True),
                    _connector="OR",
                ),
                name="only_what_adds_up_is_undecided",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expired_at", None), ("rejected_at__isnull", False), _connector="OR"
                ),
                name="expired_events_are_rejected",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reason__in", ["hint", "sweep", "pre-close", "close", "manual", "usage"])
                ),
                name="meter_event_reason_is_known",
            ),
        ),
    ]
