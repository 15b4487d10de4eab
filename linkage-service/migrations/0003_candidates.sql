-- How a run finds pairs of records (all-pairs, bands, keyed, auto), and the recall that it was asked for.
ALTER TABLE run ADD COLUMN candidates TEXT NOT NULL DEFAULT 'all-pairs';
ALTER TABLE run ADD COLUMN recall REAL;

-- For each pair of databases whose pairs of records were not all compared: how many of those above the threshold were found, as measured
-- on a random exact sample of the same run.
CREATE TABLE run_certificate (
    run_id          TEXT    NOT NULL REFERENCES run (id),
    left_database   TEXT    NOT NULL,
    right_database  TEXT    NOT NULL,
    strategy        TEXT    NOT NULL,
    demand          REAL,
    sample_rows     INTEGER NOT NULL,
    sample_pairs    INTEGER NOT NULL,
    found_pairs     INTEGER NOT NULL,
    recall          REAL    NOT NULL,
    lower           REAL    NOT NULL,
    upper           REAL    NOT NULL,
    candidates      INTEGER NOT NULL,
    bits            INTEGER,
    bands_solved    INTEGER,
    bands_searched  INTEGER,
    capped_blocks   INTEGER,
    uncompared      INTEGER,
    lost            REAL,
    reduction_ratio REAL,
    PRIMARY KEY (run_id, left_database, right_database)
) STRICT;
