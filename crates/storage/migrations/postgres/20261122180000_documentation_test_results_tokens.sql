-- Documentation, test results and tokens. Its twin in `migrations/sqlite` makes the same tables.

-- One archive of documentation for a release.
CREATE TABLE documentation (
    release_id BIGINT NOT NULL PRIMARY KEY REFERENCES releases (id) ON DELETE CASCADE,
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    filename TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    log TEXT NOT NULL
);
CREATE INDEX documentation_by_project ON documentation (project_id);
CREATE INDEX documentation_by_index_and_filename ON documentation (index_id, filename);
CREATE INDEX documentation_by_sha256 ON documentation (sha256);

-- What test runs said of files. They lie in the directory of the file that they belong to.
CREATE TABLE test_results (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id BIGINT NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    index_id BIGINT NOT NULL REFERENCES indexes (id) ON DELETE CASCADE,
    filename TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    log TEXT NOT NULL,
    UNIQUE (file_id, filename)
);
CREATE INDEX test_results_by_index_and_filename ON test_results (index_id, filename);
CREATE INDEX test_results_by_sha256 ON test_results (sha256);

-- Tokens of users: only the digest of the secret is kept. `restrictions` is JSON.
CREATE TABLE tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    secret_sha256 BYTEA NOT NULL,
    restrictions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE INDEX tokens_by_user ON tokens (user_id);
