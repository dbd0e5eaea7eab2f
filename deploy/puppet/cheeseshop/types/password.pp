# A password as the server takes it for `root`; it wants four different characters besides.
type Cheeseshop::Password = Pattern[/\A[^\s[:cntrl:]][^[:cntrl:]]{6,1022}[^\s[:cntrl:]]\z/]
