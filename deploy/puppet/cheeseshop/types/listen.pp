# An address that the server listens on: `HOST:PORT`, `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`.
type Cheeseshop::Listen = Pattern[/\A(https?:\/\/)?[A-Za-z0-9_.\[\]:-]*:[0-9]{1,5}\z/, /\Aunix:\/[^\s]+\z/]
