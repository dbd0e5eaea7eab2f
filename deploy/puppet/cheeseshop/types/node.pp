# Where nginx finds a server: `HOST` with the server's own port, `HOST:PORT`, `https://HOST:PORT` or `unix:/path`.
type Cheeseshop::Node = Pattern[
  /\A(https?:\/\/)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?\z/,
  /\Aunix:\/[^\s]+\z/
]
