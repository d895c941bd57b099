"""The recount: which series were active, by the reports alone.

Equal arrays are grouped before they are unnested. CI reports the same benchmarks again and again,
so the cost follows the distinct shapes and the series, not the number of reports. Deleted reports
count: deleting hides a report and keeps what proves activity.

Once the evidence of a period may be gone the database refuses the recount, so that none of its
readers takes what is left for a number (series.recounting.EvidenceExpiredError).
"""

# min and max of arrays compare element by element: the instant first, then the report.
SQL = """
SELECT project_id, testbed_id, benchmark_id, measure_id,
       to_timestamp(0) + ((min(first))[1] * interval '1 microsecond') AS first_seen,
       (min(first))[2] AS first_report_id,
       to_timestamp(0) + ((max(last))[1] * interval '1 microsecond') AS last_seen,
       (max(last))[2] AS last_report_id,
       min(received) AS first_received
FROM (
    SELECT report.project_id, report.testbed_id, metric.measure_id, metric.benchmark_ids,
           min(ARRAY[(extract(epoch FROM report.seen_at) * 1000000)::bigint, report.id]) AS first,
           max(ARRAY[(extract(epoch FROM report.seen_at) * 1000000)::bigint, report.id]) AS last,
           min(report.received_at) AS received
    FROM ingest_report report
    JOIN ingest_metriccolumn metric
      ON metric.organization_id = report.organization_id AND metric.report_id = report.id
    WHERE report.organization_id = %(organization)s
      AND report.seen_at >= %(start)s AND report.seen_at < %(end)s
      AND series_evidence_is_kept(%(organization)s, %(start)s)
    GROUP BY report.project_id, report.testbed_id, metric.measure_id, metric.benchmark_ids
) shape, unnest(shape.benchmark_ids) AS benchmark_id
GROUP BY project_id, testbed_id, benchmark_id, measure_id
"""

# The same with the reports by their public ids, for statements.
WITH_REPORTS = f"""
SELECT active.project_id, active.testbed_id, active.benchmark_id, active.measure_id,
       active.first_seen, first_report.uuid AS first_report_uuid,
       active.last_seen, last_report.uuid AS last_report_uuid
FROM ({SQL}) active
JOIN ingest_report first_report ON first_report.id = active.first_report_id
JOIN ingest_report last_report ON last_report.id = active.last_report_id
"""  # noqa: S608 - a constant of this module
