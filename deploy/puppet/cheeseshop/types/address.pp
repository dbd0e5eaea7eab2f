# `PORT` or `HOST:PORT` for nginx.
type Cheeseshop::Address = Variant[Cheeseshop::Port, Pattern[/\A[A-Za-z0-9_.\[\]:-]+:[0-9]{1,5}\z/]]
