# The URL of a proxy.
type Cheeseshop::Proxy = Pattern[/\A(https?|socks5h?):\/\/[^\/\s"\\%$]+\/?\z/]
