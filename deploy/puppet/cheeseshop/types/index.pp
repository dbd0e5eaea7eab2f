# The name of an index: `USER/INDEX`.
type Cheeseshop::Index = Pattern[/\A[A-Za-z0-9][A-Za-z0-9._-]*\/[A-Za-z0-9][A-Za-z0-9._-]*\z/]
