# The URL of a database.
type Cheeseshop::DatabaseUrl = Pattern[/\A(sqlite:\/\/\/|postgres(ql)?:\/\/)[^\s]+\z/]
