# The URL of a proxy, without a password.
type Cheeseshop::Proxy = Pattern[/\A(https?|socks5h?):\/\/[^\/@\s"\\%$]+\/?\z/]
