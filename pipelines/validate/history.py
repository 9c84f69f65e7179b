"""Validate the history in the lake: good rows go on, refused rows to quarantine.

History partitions are never rewritten here. A refused row is copied to
`quarantine/history/<table>/interval=<start>/part.parquet`, and whoever reads the history
leaves out the keys found there.
"""



from pipelines.contracts import HistoryTable

# One batch holds whole partitions up to about this many rows: GX costs a second a batch,
# and a pandas frame of this size a few hundred megabytes.
_BATCH_ROWS = 300_000

KEYS = {
    HistoryTable.TASK_EVENTS: "event_id",
    HistoryTable.WORKFLOWS: "workflow_id",
    HistoryTable.WORKFLOW_CLOSURES: "workflow_id",
}
