-- The first schema. Its twin in `migrations/sqlite` makes the same tables and columns.
-- Times are microseconds since 1970 in UTC, flags 0 or 1, JSON is text.

-- Names and times of the migrations that were applied.
CREATE TABLE schema_migrations (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    applied_at BIGINT NOT NULL
);

-- Small values that all nodes share.
CREATE TABLE settings (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Every change, numbered without gaps in the order of commits; each row is chained to the one before.
CREATE TABLE change_log (
    serial BIGINT NOT NULL PRIMARY KEY,
    recorded_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    kind TEXT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    detail TEXT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL
);

-- One row: the end of the log, written in the same transaction.
CREATE TABLE change_log_head (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    serial BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
INSERT INTO change_log_head (id, serial, hash) VALUES (1, 0, decode(repeat('00', 32), 'hex'));

CREATE TABLE users (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT,
    profile TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT
);

CREATE TABLE indexes (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    config TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, name)
);

CREATE TABLE projects (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    written_name TEXT NOT NULL,
    status TEXT,
    status_reason TEXT,
    created_at BIGINT NOT NULL,
    UNIQUE (index_id, name)
);

CREATE TABLE releases (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version TEXT COLLATE "C" NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (project_id, version)
);

-- The bytes that the blob store must have.
CREATE TABLE blobs (
    sha256 BYTEA NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL,
    registered_at BIGINT NOT NULL
);

-- The index and the version are those of the project and the release, kept here so that listing
-- a project and finding a file by its path read this table only.
CREATE TABLE files (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    release_id BIGINT NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    filename TEXT COLLATE "C" NOT NULL,
    version TEXT NOT NULL,
    sha256 BYTEA NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    requires_python TEXT,
    yanked BIGINT NOT NULL,
    yanked_reason TEXT,
    core_metadata BYTEA REFERENCES blobs (sha256),
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
    path TEXT COLLATE "C" NOT NULL,
    removed_at BIGINT NOT NULL,
    PRIMARY KEY (index_id, path)
);

-- What upstreams said of projects: one compressed document each.
CREATE TABLE mirror_listings (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project TEXT COLLATE "C" NOT NULL,
    document BYTEA NOT NULL,
    etag TEXT,
    last_modified TEXT,
    last_serial BIGINT,
    fetched_at BIGINT NOT NULL,
    source_url TEXT NOT NULL,
    PRIMARY KEY (index_id, project)
);

-- What upstreams said of which projects there are.
CREATE TABLE mirror_project_lists (
    index_id BIGINT NOT NULL PRIMARY KEY REFERENCES indexes (id) ON DELETE CASCADE,
    document BYTEA NOT NULL,
    etag TEXT,
    last_modified TEXT,
    last_serial BIGINT,
    fetched_at BIGINT NOT NULL,
    source_url TEXT NOT NULL
);

-- Files of upstreams that are held.
CREATE TABLE mirror_files (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project TEXT COLLATE "C" NOT NULL,
    filename TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    fetched_at BIGINT NOT NULL,
    last_modified TEXT,
    PRIMARY KEY (index_id, project, filename)
);
CREATE INDEX mirror_files_by_path ON mirror_files (index_id, path);
CREATE INDEX mirror_files_by_sha256 ON mirror_files (sha256);

-- Core metadata of upstreams' files that is held, whether or not the file is.
CREATE TABLE mirror_core_metadata (
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project TEXT COLLATE "C" NOT NULL,
    filename TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (index_id, project, filename)
);
CREATE INDEX mirror_core_metadata_by_sha256 ON mirror_core_metadata (sha256);
