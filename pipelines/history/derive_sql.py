"""The statements of `derive`, in the order they run; parameters are bound by name.

`log_rows` and `refused_rows` are views on the reader's files. All ties are broken by the row
number, so the same file always gives the same history.
"""

from typing import Final

# A file row is its entries together; equal rows have equal digests of everything mapped.
DUPLICATES: Final = """
CREATE TABLE duplicates AS
WITH entries AS (
    SELECT row_number, md5_number(to_json([
        workflow_id, task_id, activity, transition, person_id, team_id,
        epoch_us(occurred_at)::VARCHAR, epoch_us(recorded_at)::VARCHAR,
        epoch_us(task_due_at)::VARCHAR, task_attributes, template_id, client_id, priority,
        epoch_us(workflow_due_at)::VARCHAR, outcome, workflow_attributes
    ])::VARCHAR) AS digest
    FROM log_rows
),
file_rows AS (
    SELECT row_number, bit_xor(digest) AS digest FROM entries GROUP BY row_number
),
repeated AS (
    SELECT digest, min(row_number) AS first_row
    FROM file_rows GROUP BY digest HAVING count(*) > 1
)
SELECT row_number, first_row
FROM file_rows JOIN repeated USING (digest)
WHERE row_number > first_row
"""

# Where the log names its tasks: a completion before the task's first start.
EARLY_COMPLETIONS: Final = """
CREATE TABLE early_completions AS
WITH named AS (
    SELECT row_number, transition, occurred_at,
        min(occurred_at) FILTER (transition = 'started')
            OVER (PARTITION BY workflow_id, activity, task_id) AS started_at
    FROM log_rows ANTI JOIN duplicates USING (row_number)
    WHERE task_id IS NOT NULL
)
SELECT row_number, occurred_at FROM named
WHERE transition = 'completed' AND occurred_at < started_at
"""

# What ordering and pairing need, without the attributes' texts.
KEYS: Final = """
CREATE TABLE keys AS
SELECT row_number, CASE transition WHEN 'started' THEN 0 ELSE 1 END AS rank,
    workflow_id, activity, transition, person_id, task_id, occurred_at
FROM log_rows
ANTI JOIN duplicates USING (row_number)
ANTI JOIN early_completions USING (row_number)
"""

# Rows of unnamed tasks in the order of the queue.
UNNAMED: Final = """
SELECT row_number, workflow_id, activity, transition FROM keys
WHERE task_id IS NULL
ORDER BY workflow_id, activity, occurred_at, row_number, rank
"""

# Where each row is a whole task, the tasks of an activity are numbered by their first time.
SPAN_NUMBERS: Final = """
CREATE VIEW task_numbers AS
WITH spans AS (
    SELECT row_number, workflow_id, activity, min(occurred_at) AS first_at
    FROM keys WHERE task_id IS NULL GROUP BY row_number, workflow_id, activity
)
SELECT row_number, row_number() OVER (
    PARTITION BY workflow_id, activity ORDER BY first_at, row_number
) AS task_number
FROM spans
"""

# A slash parts workflow, activity and number; activities may hold slashes, the others not.
EVENTS: Final = """
CREATE TABLE events AS
WITH placed AS (
    SELECT row_number, rank,
        row_number() OVER (
            PARTITION BY workflow_id ORDER BY occurred_at, row_number, rank
        ) AS sequence,
        row_number() OVER (
            PARTITION BY workflow_id, activity, transition, occurred_at, person_id
            ORDER BY row_number
        ) AS copy
    FROM keys
),
entries AS (
    SELECT *, CASE transition WHEN 'started' THEN 0 ELSE 1 END AS rank FROM log_rows
)
SELECT
    md5(to_json([
        workflow_id, activity, transition, epoch_us(occurred_at)::VARCHAR, person_id,
        copy::VARCHAR
    ])::VARCHAR)::UUID::VARCHAR AS event_id,
    workflow_id,
    concat(
        replace(replace(workflow_id, '%', '%25'), '/', '%2F'), '/', activity, '/',
        CASE WHEN task_id IS NULL THEN task_number::VARCHAR
            ELSE concat('id=', replace(replace(task_id, '%', '%25'), '/', '%2F')) END
    ) AS task_id,
    sequence, activity, transition, person_id, team_id, occurred_at, recorded_at,
    task_attributes AS attributes, task_due_at, row_number, rank
FROM entries
JOIN placed USING (row_number, rank)
LEFT JOIN task_numbers USING (row_number)
"""

TASK_EVENTS: Final = """
SELECT event_id, workflow_id, task_id, sequence, activity, transition, person_id, team_id,
    occurred_at, recorded_at, attributes
FROM events ORDER BY workflow_id, sequence
"""

TASKS: Final = """
SELECT task_id, workflow_id, activity,
    arg_max(person_id, sequence) FILTER (person_id IS NOT NULL) AS person_id,
    arg_max(team_id, sequence) FILTER (team_id IS NOT NULL) AS team_id,
    min(occurred_at) FILTER (transition = 'created') AS created_at,
    min(occurred_at) FILTER (transition = 'started') AS started_at,
    max(occurred_at) FILTER (transition = 'completed') AS completed_at,
    max(occurred_at) FILTER (transition = 'cancelled') AS cancelled_at,
    arg_max(task_due_at, sequence) FILTER (task_due_at IS NOT NULL) AS due_at
FROM events
GROUP BY task_id, workflow_id, activity
ORDER BY workflow_id, min(sequence)
"""

QUIET_SECONDS: Final = """
WITH gaps AS (
    SELECT epoch_us(occurred_at) - epoch_us(lag(occurred_at) OVER (
        PARTITION BY workflow_id ORDER BY sequence
    )) AS gap_us
    FROM events
)
SELECT coalesce(quantile_cont(gap_us, 0.95), 0) / 1e6 FROM gaps WHERE gap_us IS NOT NULL
"""

WORKFLOWS: Final = """
WITH edges AS (
    SELECT workflow_id,
        arg_min({'row_number': row_number, 'rank': rank}, sequence) AS first,
        arg_max({'row_number': row_number, 'rank': rank}, sequence) AS last,
        max(occurred_at) AS last_at,
        arg_max(activity, sequence) AS last_activity,
        arg_max(transition, sequence) AS last_transition
    FROM events GROUP BY workflow_id
),
judged AS (
    SELECT *,
        (list_contains($activities, last_activity)
            AND last_transition IN ('completed', 'cancelled'))
        OR ($quiet_s IS NOT NULL
            AND epoch_us((SELECT max(occurred_at) FROM events)) - epoch_us(last_at)
                >= $quiet_s * 1e6) AS is_closed
    FROM edges
),
entries AS (
    SELECT *, CASE transition WHEN 'started' THEN 0 ELSE 1 END AS rank FROM log_rows
),
joined AS (
    SELECT judged.is_closed, opening.*, closing.occurred_at AS last_at,
        closing.recorded_at AS last_recorded_at, closing.outcome AS last_outcome
    FROM judged
    JOIN entries AS opening
        ON opening.row_number = judged.first.row_number AND opening.rank = judged.first.rank
    JOIN entries AS closing
        ON closing.row_number = judged.last.row_number AND closing.rank = judged.last.rank
)
SELECT workflow_id, template_id, client_id, priority,
    occurred_at AS opened_at,
    workflow_due_at AS due_at,
    CASE WHEN is_closed THEN last_at END AS closed_at,
    CASE WHEN is_closed THEN last_outcome END AS outcome,
    CASE WHEN is_closed AND $late_values IS NOT NULL
        THEN list_contains($late_values, lower(last_outcome)) END AS outcome_is_late,
    workflow_attributes AS attributes,
    recorded_at,
    CASE WHEN is_closed THEN last_recorded_at END AS closure_recorded_at
FROM joined
ORDER BY workflow_id
"""

REJECTED_ROWS: Final = """
SELECT row_number, column_name, value, reason FROM refused_rows
UNION ALL
SELECT row_number, NULL, concat('same as row ', first_row), $duplicate FROM duplicates
UNION ALL
SELECT row_number, $timestamp, strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ'), $early
FROM early_completions
ORDER BY row_number
"""
