# A port that can be named.
type Cheeseshop::Port = Integer[1, 65535]
