"""That a figure proves itself: plans of the queries, hashes, reconciliation, injected errors."""
