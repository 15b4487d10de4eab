-- For each pair of databases that were joined on exact tokens: how often these and similarity say different things of a record.
-- `with_rival` is null where it was not counted.
CREATE TABLE run_conflicts (
    run_id          TEXT    NOT NULL REFERENCES run (id),
    left_database   TEXT    NOT NULL,
    right_database  TEXT    NOT NULL,
    exact_pairs     INTEGER NOT NULL,
    below_threshold INTEGER NOT NULL,
    with_rival      INTEGER,
    PRIMARY KEY (run_id, left_database, right_database)
) STRICT;
