-- The ledger and the ownership register, in one database so that one transaction can check who
-- may act and do what was asked.

-- A zone's present life. Taken at every start of the process; a former life may do nothing.
CREATE TABLE zone (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 4294967295),
    incarnation INTEGER NOT NULL CHECK (incarnation > 0)
) STRICT;

-- Names are compared without case: "Ada" may not be impersonated by "ada".
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    password_hash TEXT NOT NULL
) STRICT;

CREATE TABLE character (
    id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id < 281474976710656),
    account INTEGER NOT NULL UNIQUE REFERENCES account (id),
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    rating REAL NOT NULL,
    deviation REAL NOT NULL,
    volatility REAL NOT NULL,
    -- What the last owner left or checkpointed; the ledger does not look inside.
    state BLOB,
    -- The epoch of the last row that was released: the next row starts above it.
    epoch_released INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The ownership register: at most one row a character, so two owners cannot be written down.
CREATE TABLE own (
    character INTEGER PRIMARY KEY REFERENCES character (id),
    zone INTEGER NOT NULL REFERENCES zone (id),
    incarnation INTEGER NOT NULL,
    epoch INTEGER NOT NULL CHECK (epoch BETWEEN 1 AND 4294967295)
) STRICT;

-- An item is in exactly one place: with a character, or on the ground of a zone. AUTOINCREMENT:
-- an id is never used again, whatever is deleted.
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id < 281474976710656),
    owner INTEGER REFERENCES character (id),
    zone INTEGER REFERENCES zone (id),
    x REAL,
    y REAL,
    -- Counts the moves.
    version INTEGER NOT NULL DEFAULT 0,
    CHECK ((owner IS NULL) <> (zone IS NULL)),
    CHECK ((zone IS NULL) = (x IS NULL) AND (zone IS NULL) = (y IS NULL))
) STRICT;

CREATE INDEX item_by_owner ON item (owner) WHERE owner IS NOT NULL;
CREATE INDEX item_by_zone ON item (zone) WHERE zone IS NOT NULL;

-- What was asked of items and what became of it. The places of all items follow from these rows.
CREATE TABLE ledger (
    position INTEGER PRIMARY KEY,
    txid BLOB NOT NULL UNIQUE CHECK (length(txid) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('mint', 'pick_up', 'drop', 'trade')),
    -- Who takes (pick_up), leaves (drop) or gives (trade); with the epoch that was current.
    character INTEGER REFERENCES character (id),
    epoch INTEGER,
    -- What was made, taken, left or given. No reference: a refused row may name anything.
    item INTEGER,
    -- The other side of a trade.
    peer INTEGER REFERENCES character (id),
    peer_epoch INTEGER,
    peer_item INTEGER,
    -- The place on the ground of a mint, pick_up or drop.
    zone INTEGER,
    x REAL,
    y REAL,
    -- The item that was not where it was to be taken from: nothing moved. NULL: all moved.
    refused INTEGER,
    at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT;

CREATE TRIGGER ledger_is_not_updated BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER ledger_is_not_deleted BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER item_is_not_deleted BEFORE DELETE ON item
BEGIN
    SELECT RAISE(ABORT, 'items are moved, never deleted');
END;

-- Domain events, in the order of their arrival. The id comes from the bus and tells repeats.
CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    subject TEXT NOT NULL,
    key INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;

CREATE TABLE match_result (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT;

-- The ratings that a match left its players with.
CREATE TABLE match_player (
    match_result INTEGER NOT NULL REFERENCES match_result (id),
    character INTEGER NOT NULL REFERENCES character (id),
    rating REAL NOT NULL,
    deviation REAL NOT NULL,
    volatility REAL NOT NULL,
    PRIMARY KEY (match_result, character)
) STRICT, WITHOUT ROWID;
