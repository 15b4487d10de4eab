-- What the linkage unit knows. Token files lie in the object store, write-once; this database names them.

-- One accepted submission of a database. The same sealed file is accepted once.
CREATE TABLE submission (
    id              INTEGER PRIMARY KEY,
    database_id     TEXT    NOT NULL,
    file_blake3     BLOB    NOT NULL,
    file_bytes      INTEGER NOT NULL,
    payload_blake3  BLOB    NOT NULL,
    records         INTEGER NOT NULL,
    deduplicated    INTEGER NOT NULL,
    schema_name     TEXT    NOT NULL,
    accepted_at     TEXT    NOT NULL,
    UNIQUE (database_id, file_blake3)
) STRICT;

-- The encoding of the linkage group: one row, decided by the operator at `init` or by the first submission.
CREATE TABLE encoding (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    schema_digest BLOB NOT NULL,
    key_check     BLOB NOT NULL
) STRICT;

-- Registered permits, as the signed bytes; an amendment is a higher version.
CREATE TABLE permit (
    id           TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    project      TEXT    NOT NULL,
    document     BLOB    NOT NULL,
    submitted_at TEXT    NOT NULL,
    PRIMARY KEY (id, version)
) STRICT;

-- Signed revocations. One may arrive before its permit does.
CREATE TABLE revocation (
    permit_id    TEXT PRIMARY KEY,
    document     BLOB NOT NULL,
    submitted_at TEXT NOT NULL
) STRICT;

-- One secret per project: linkage keys of two projects cannot be matched.
CREATE TABLE project (
    id     TEXT PRIMARY KEY,
    secret BLOB NOT NULL
) STRICT;

CREATE TABLE run (
    id          TEXT PRIMARY KEY,
    permit_id   TEXT NOT NULL,
    project     TEXT NOT NULL,
    class       TEXT NOT NULL,
    state       TEXT NOT NULL,
    threshold   TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    finished_at TEXT,
    elapsed_ms  INTEGER NOT NULL DEFAULT 0,
    pairs_done  INTEGER NOT NULL DEFAULT 0,
    pairs       INTEGER NOT NULL DEFAULT 0,
    compared    INTEGER NOT NULL DEFAULT 0,
    exact_pairs INTEGER,
    dice_pairs  INTEGER,
    clusters    INTEGER,
    failure     TEXT
) STRICT;

-- The submissions that a run linked; `position` is how `member` refers to them.
CREATE TABLE run_input (
    run_id        TEXT    NOT NULL REFERENCES run (id),
    position      INTEGER NOT NULL,
    database_id   TEXT    NOT NULL,
    submission_id INTEGER NOT NULL REFERENCES submission (id),
    PRIMARY KEY (run_id, position)
) STRICT;

-- What was executed for each pair of databases.
CREATE TABLE run_pair (
    run_id         TEXT    NOT NULL REFERENCES run (id),
    left_database  TEXT    NOT NULL,
    right_database TEXT    NOT NULL,
    plan           TEXT    NOT NULL,
    exact_pairs    INTEGER NOT NULL,
    dice_pairs     INTEGER NOT NULL,
    compared       INTEGER NOT NULL,
    aborted        INTEGER NOT NULL,
    elapsed_ms     INTEGER NOT NULL,
    PRIMARY KEY (run_id, left_database, right_database)
) STRICT;

-- The clusters of a run. Cluster numbers never leave; linkage keys are computed at release.
CREATE TABLE member (
    run_id     TEXT    NOT NULL REFERENCES run (id),
    cluster    INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    record_ref BLOB    NOT NULL,
    PRIMARY KEY (run_id, cluster, position, record_ref)
) STRICT, WITHOUT ROWID;

-- The audit log: finished lines, in order.
CREATE TABLE audit (
    seq  INTEGER PRIMARY KEY,
    line TEXT NOT NULL
) STRICT;
