# The value of a variable of the environment. No secrets: everybody on the machine can read it.
type Cheeseshop::Variable = Pattern[/\A[^\r\n"\\%$]*\z/]
