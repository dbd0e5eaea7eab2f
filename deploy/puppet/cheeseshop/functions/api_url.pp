# @summary Where programs on the machine itself reach the server.
#
# @param listen
#   What the server listens on.
#
# @return [String]
#   The URL of the first address without TLS.
function cheeseshop::api_url(Array[Cheeseshop::Listen, 1] $listen) >> String {
  $plain = $listen.filter |$address| { $address !~ /\A(https:|unix:)/ }
  $first = $plain ? {
    []      => '127.0.0.1:3141',
    default => $plain[0],
  }
  $here = $first
  .regsubst('\Ahttp://', '')
  .regsubst('\A(0\.0\.0\.0|\*)?:(\d+)\z', '127.0.0.1:\2')
  .regsubst('\A\[::\]:', '[::1]:')
  "http://${here}/"
}
