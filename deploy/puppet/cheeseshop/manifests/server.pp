# @summary What is on the server: the password of `root`, users, layouts, indexes, tokens.
#
# @api private
class cheeseshop::server {
  assert_private()

  $password_file = $cheeseshop::root::password_file
  $settings_file = '/etc/cheeseshop/puppet.json'

  if $cheeseshop::root_password !~ Undef {
    file { $settings_file:
      ensure  => file,
      owner   => 'root',
      group   => 'root',
      mode    => '0600',
      content => epp('cheeseshop/puppet.json.epp', { 'url' => $cheeseshop::puppet_url, 'password_file' => $password_file }),
    }

    # Nobody's logins are looked at, and none is kept. The password goes to this machine and not through the proxy that
    # Puppet may have been started with.
    $proxies = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'].map |$name| { ['-u', $name] }.flatten
    $alone = ['env'] + $proxies + ['DEVPI_CLIENTDIR=/nonexistent']
    # The redirection is root's, who alone may read the file; the program runs as the service does.
    $as_service = ['runuser', '-u', $cheeseshop::user, '--']
    $command = shellquote($as_service + ['/usr/bin/cheeseshop', 'passwd', '--config', $cheeseshop::config_file, 'root'])
    $login = shellquote($alone + [
        '/usr/bin/cheeseshop', 'layout', 'export', '--server', $cheeseshop::puppet_url,
        '--user', 'root', '--password-file', $password_file, 'root',
    ])
    $accepted = "${login} >/dev/null && exit 0"
    exec { 'cheeseshop password of root':
      # A running server notices within a second.
      command  => "${command} < ${shellquote($password_file)} && for try in 1 2 3 4 5; do sleep 1; ${accepted}; done; exit 1",
      # A server that is still to be installed begins with this password.
      onlyif   => 'test -x /usr/bin/cheeseshop',
      # `false`, for Puppet takes the exit code of a program that is not there for an error.
      unless   => "${login} >/dev/null 2>&1 || false",
      provider => shell,
      path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      cwd      => '/',
      require  => File[$password_file, $settings_file],
    }
  }

  $is_hidden = $cheeseshop::users =~ Sensitive
  $cheeseshop::users.unwrap.each |$name, $values| {
    $hidden = $is_hidden ? {
      true    => Sensitive($values),
      default => $values,
    }
    cheeseshop_user { $name:
      * => cheeseshop::revealed("cheeseshop::users, ${name}", $hidden, ['password']),
    }
  }
  $cheeseshop::layouts.each |$name, $values| {
    cheeseshop_layout { $name:
      * => $values,
    }
  }
  # The service has been started by its package before its settings were there, so what the first start makes of
  # them is not enough.
  $upstream = ($cheeseshop::root_pypi_url !~ Undef and $cheeseshop::root_password !~ Undef) ? {
    true    => { 'root/pypi' => { 'index_type' => 'mirror', 'mirror_url' => $cheeseshop::root_pypi_url } },
    default => {},
  }
  deep_merge($upstream, $cheeseshop::indexes).each |$name, $values| {
    cheeseshop_index { $name:
      * => $values,
    }
  }
  $cheeseshop::tokens.each |$name, $values| {
    cheeseshop_token { $name:
      * => $values,
    }
  }
}
