# @summary Where programs on the machine itself reach the server.
#
# @param listen
#   What the server listens on, and takes logins.
#
# @param outside_url
#   What it is called where no address of it goes without TLS.
#
# @return [Optional[String]]
#   The URL of the first address without TLS; else the other; else nothing.
function cheeseshop::api_url(Array[Cheeseshop::Listen] $listen, Optional[String] $outside_url = undef) >> Optional[String] {
  $plain = $listen.filter |$address| { $address !~ /\A(https:|unix:)/ }
  if $plain.empty {
    $outside_url
  } else {
    $here = $plain[0]
    .regsubst('\Ahttp://', '')
    .regsubst('\A(0\.0\.0\.0|\*)?:(\d+)\z', '127.0.0.1:\2')
    .regsubst('\A\[::\]:', '[::1]:')
    "http://${here}/"
  }
}
