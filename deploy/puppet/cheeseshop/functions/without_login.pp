# @summary A URL, after a look whether there is a login in it.
#
# @param name
#   What it is called in messages.
#
# @param url
#   The URL, or nothing. What is `Sensitive` may have a login.
#
# @param advice
#   What to do about it.
#
# @return [Any]
#   The same.
function cheeseshop::without_login(String $name, Any $url, String $advice) {
  # The name of a database's user alone opens nothing.
  if $url =~ Pattern[/\A(?!postgres(ql)?:\/\/[^\/:@]*@)[^\/]+\/\/[^\/]*@/] {
    fail("${name}: there is a login in it, which everybody could read: ${advice}")
  }
  $url
}
