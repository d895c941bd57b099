"""Explained series as files that are sent in pieces, for the API and for pages."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from bencher import spreadsheets
from bencher.tenancy.models import Organization
from billing import explaining, exporting
from billing.explaining import Subject, Wanted
from billing.wire import Format


def answer(
    organization: Organization, of: Subject, wanted: Wanted, ending: Format
) -> StreamingHttpResponse:
    """Return the file of a format; of a closed period with the hash of its evidence.

    The evidence is whole, whatever is wanted.
    """
    name = f"{organization.slug}-{of.starts_at:%Y-%m-%d}.{_ENDINGS[ending]}"
    response = StreamingHttpResponse(
        _pieces(of, wanted, ending), content_type=_TYPES.get(ending, exporting.NDJSON_TYPE)
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    if of.statement is not None:
        response["X-Evidence-SHA256"] = of.statement.evidence_sha256
    return response


_TYPES = {Format.CSV: spreadsheets.CSV_TYPE}
_ENDINGS = {Format.CSV: "csv", Format.NDJSON: "ndjson", Format.EVIDENCE: "evidence.ndjson"}


def _pieces(of: Subject, wanted: Wanted, ending: Format) -> Iterator[bytes]:
    match ending:
        case Format.CSV:
            return exporting.as_csv(explaining.stream(of, wanted))
        case Format.EVIDENCE:
            return explaining.evidence_lines(of)
        case _:
            return exporting.as_ndjson(explaining.stream(of, wanted))
