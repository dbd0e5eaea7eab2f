# Settings by section, as docs/manual/configuration.md has them: `{ 'auth.argon2' => { 'iterations' => 4 } }`.
type Cheeseshop::Settings = Hash[
  Pattern[/\A[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\z/],
  Hash[Pattern[/\A[a-z][a-z0-9_]*\z/], Cheeseshop::Setting]
]
