# @summary The password of `root`, which is there before the server is, so that no other one is ever made up.
#
# The package starts the server as soon as it is installed: what that start reads has to be there by then, in places
# that need no user of the service yet.
#
# @api private
class cheeseshop::root {
  assert_private()

  $directory = $cheeseshop::config_dir
  $password_file = "${directory}/root.password"
  $is_given = $cheeseshop::root_password !~ Undef

  # `/etc/cheeseshop` is where the types look for `puppet.json`, wherever the settings are.
  ['/etc/cheeseshop', $directory].unique.each |$path| {
    file { $path:
      ensure => directory,
      owner  => 'root',
      group  => 'root',
      mode   => '0755',
    }
  }

  if $is_given {
    file { $password_file:
      ensure    => file,
      owner     => 'root',
      group     => 'root',
      mode      => '0600',
      show_diff => false,
      content   => Sensitive("${cheeseshop::root_password.unwrap}\n"),
    }
  }

  # Here, since other files in it come later than this one.
  file { "/etc/systemd/system/${cheeseshop::service_name}.service.d":
    ensure => directory,
    owner  => 'root',
    group  => 'root',
    mode   => '0755',
  }
  # The server takes it when it makes `root`, and at no later start.
  cheeseshop::drop_in { 'password of root':
    ensure    => stdlib::ensure($is_given, 'file'),
    unit      => "${cheeseshop::service_name}.service",
    file_name => 'puppet-root',
    content   => epp('cheeseshop/puppet.conf.epp', {
        'credentials' => { 'root-password' => $password_file },
        'environment' => { 'CHEESESHOP_AUTH__ROOT_PASSWORD_FILE' => 'credential:root-password' },
    }),
  }
}
