# The name of a user of a cheeseshop.
type Cheeseshop::Username = Pattern[/\A[A-Za-z0-9][A-Za-z0-9._-]*\z/]
