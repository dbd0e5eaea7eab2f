# The name of a setting that can be kept in a file of its own: `database.url`, `blobs.secret_key`.
type Cheeseshop::SecretName = Pattern[/\A[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.[a-z][a-z0-9_]*\z/]
