# A secret. A plain text counts within something that is `Sensitive` as a whole, as Hiera gives it.
type Cheeseshop::Secret = Variant[Sensitive[String[1]], String[1]]
