# @summary A file that `cheeseshop gen-config` writes from the server's settings.
#
# It is compared with what would be written now, so it follows the settings, and a dry run tells whether it
# would change.
#
# @param arguments
#   The kind and its options.
#
# @param path
#   The file.
#
# @api private
define cheeseshop::generated (
  Array[String[1], 1] $arguments,
  Stdlib::Absolutepath $path = $title,
) {
  include cheeseshop

  $words = shellquote(['/usr/bin/cheeseshop', 'gen-config', '--config', $cheeseshop::config_file] + $arguments)
  $file = shellquote($path)

  exec { "cheeseshop gen-config ${path}":
    command  => "${words} --output ${file}",
    unless   => "test -f ${file} && ${words} 2>/dev/null | cmp -s - ${file}",
    provider => shell,
    path     => ['/usr/bin', '/bin'],
    require  => Class['cheeseshop::config'],
  }
}
