# Settings that are secrets, by their names.
type Cheeseshop::Secrets = Hash[Cheeseshop::SecretName, Cheeseshop::Secret]
