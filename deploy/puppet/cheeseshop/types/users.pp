# Users by name, each with the values of a `cheeseshop_user`.
type Cheeseshop::Users = Hash[Cheeseshop::Username, Hash[String[1], Any]]
