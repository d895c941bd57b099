"""Every report that an organization sent, with the number of its metrics, for older plans' bills.

Deleted ones count: deleting empties the values and keeps which benchmarks were measured.
"""

SQL = """
SELECT report.uuid, report.received_at, (
           SELECT coalesce(sum(cardinality(metric.benchmark_ids)), 0)::bigint
           FROM ingest_metriccolumn metric
           WHERE metric.organization_id = report.organization_id AND metric.report_id = report.id
       ) AS metrics
FROM ingest_report report
WHERE report.organization_id = %(organization)s
  AND report.received_at >= %(since)s AND report.received_at < %(before)s
"""
