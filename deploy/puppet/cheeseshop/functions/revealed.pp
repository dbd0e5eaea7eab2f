# @summary What is in something that holds secrets, once it is clear that they are hidden.
#
# @param name
#   What it is called in messages.
#
# @param given
#   Secrets by name: each is `Sensitive`, or all of them together are.
#
# @return [Hash]
#   The same, with each of those that are no `Sensitive` yet but have one of the names made so.
#
# @param names
#   Which of the names are those of secrets.
function cheeseshop::revealed(String $name, Variant[Hash, Sensitive[Hash]] $given, Variant[Array[String], Default] $names = default) >> Hash {
  $is_hidden = $given =~ Sensitive
  $given.unwrap.reduce({}) |$all, $pair| {
    $is_secret = $names =~ Default or $pair[0] in $names
    if $is_secret and $pair[1] =~ String and !$is_hidden {
      fail("${name}: ${pair[0]} is a secret: give it as Sensitive")
    }
    $value = ($is_secret and $pair[1] =~ String) ? {
      true    => Sensitive($pair[1]),
      default => $pair[1],
    }
    $all + { $pair[0] => $value }
  }
}
