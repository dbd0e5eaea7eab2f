# @summary What a unit of systemd says differently here.
#
# @param unit
#   The unit.
#
# @param content
#   The file.
#
# @param ensure
#   Whether there is such a file.
#
# @param file_name
#   Its name, without the ending.
#
# @api private
define cheeseshop::drop_in (
  String[1] $unit,
  String[1] $content,
  Enum['file', 'absent'] $ensure = 'file',
  String[1] $file_name = 'puppet',
) {
  assert_private()

  $folder = "/etc/systemd/system/${unit}.d"
  if $ensure == 'file' {
    ensure_resource('file', $folder, {
        'ensure' => 'directory',
        'owner'  => 'root',
        'group'  => 'root',
        'mode'   => '0755',
    })
  }
  file { "${folder}/${file_name}.conf":
    ensure  => $ensure,
    owner   => 'root',
    group   => 'root',
    mode    => '0644',
    content => $content,
    notify  => Exec['cheeseshop units'],
  }
}
