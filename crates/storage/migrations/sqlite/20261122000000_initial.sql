-- The first schema. Its twin in `migrations/postgres` makes the same tables and columns.
-- `INTEGER PRIMARY KEY` is the row's own number here, and small rows live in their key
-- (`WITHOUT ROWID`): both save a second tree per table.
-- Times are microseconds since 1970 in UTC, flags 0 or 1, JSON is text.

-- Names and times of the migrations that were applied.
CREATE TABLE schema_migrations (
    name TEXT NOT NULL PRIMARY KEY,
    applied_at BIGINT NOT NULL
);

-- Small values that all nodes share.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Every change, numbered without gaps in the order of commits; each row is chained to the one before.
CREATE TABLE change_log (
    serial INTEGER PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL
);

-- One row: the end of the log, written in the same transaction.
CREATE TABLE change_log_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    serial BIGINT NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO change_log_head (id, serial, hash) VALUES (1, 0, zeroblob(32));

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    profile TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT
);

CREATE TABLE indexes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    config TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, name)
);

CREATE TABLE projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    written_name TEXT NOT NULL,
    status TEXT,
    status_reason TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (index_id, name)
);

CREATE TABLE releases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (project_id, version)
);

-- The bytes that the blob store must have.
CREATE TABLE blobs (
    sha256 BLOB NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    registered_at BIGINT NOT NULL
) WITHOUT ROWID;

-- The index and the version are those of the project and the release, kept here so that listing
-- a project and finding a file by its path read this table only.
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    release_id BIGINT NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    filename TEXT NOT NULL,
    version TEXT NOT NULL,
    sha256 BLOB NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    requires_python TEXT,
    yanked BIGINT NOT NULL,
    yanked_reason TEXT,
    core_metadata BLOB REFERENCES blobs (sha256),
    uploaded_at BIGINT NOT NULL,
    log TEXT NOT NULL,
    UNIQUE (project_id, filename)
);
CREATE INDEX files_by_release ON files (release_id);
CREATE INDEX files_by_index_and_filename ON files (index_id, filename);
CREATE INDEX files_by_sha256 ON files (sha256);
CREATE INDEX files_by_core_metadata ON files (core_metadata);

-- Where files were that are no more: they answer 410 and not 404.
CREATE TABLE tombstones (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    removed_at BIGINT NOT NULL,
    PRIMARY KEY (index_id, path)
) WITHOUT ROWID;

-- What upstreams said of projects: one compressed document each.
CREATE TABLE mirror_listings (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project TEXT NOT NULL,
    document BLOB NOT NULL,
    etag TEXT,
    last_modified TEXT,
    last_serial BIGINT,
    fetched_at BIGINT NOT NULL,
    source_url TEXT NOT NULL,
    PRIMARY KEY (index_id, project)
);

-- What upstreams said of which projects there are.
CREATE TABLE mirror_project_lists (
    index_id INTEGER PRIMARY KEY REFERENCES indexes (id) ON DELETE CASCADE,
    document BLOB NOT NULL,
    etag TEXT,
    last_modified TEXT,
    last_serial BIGINT,
    fetched_at BIGINT NOT NULL,
    source_url TEXT NOT NULL
);

-- Files of upstreams that are held.
CREATE TABLE mirror_files (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project TEXT NOT NULL,
    filename TEXT NOT NULL,
    sha256 BLOB NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    path TEXT NOT NULL,
    fetched_at BIGINT NOT NULL,
    last_modified TEXT,
    PRIMARY KEY (index_id, project, filename)
);
CREATE INDEX mirror_files_by_path ON mirror_files (index_id, path);
CREATE INDEX mirror_files_by_sha256 ON mirror_files (sha256);

-- Core metadata of upstreams' files that is held, whether or not the file is.
CREATE TABLE mirror_core_metadata (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project TEXT NOT NULL,
    filename TEXT NOT NULL,
    sha256 BLOB NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (index_id, project, filename)
) WITHOUT ROWID;
CREATE INDEX mirror_core_metadata_by_sha256 ON mirror_core_metadata (sha256);
