# @summary What is on the server: the password of `root`, users, layouts, indexes, tokens.
#
# @api private
class cheeseshop::server {
  assert_private()

  $directory = $cheeseshop::config_dir
  $password_file = "${directory}/root.password"
  $settings_file = '/etc/cheeseshop/puppet.json'

  if $cheeseshop::root_password !~ Undef {
    $line = Sensitive("${cheeseshop::root_password.unwrap}\n")
    file {
      default:
        ensure    => file,
        owner     => 'root',
        group     => 'root',
        mode      => '0600',
        show_diff => false,
        ;
      $password_file:
        content => $line,
        ;
      $settings_file:
        content => to_json_pretty({
            'url'           => $cheeseshop::api_url,
            'user'          => 'root',
            'password_file' => $password_file,
        }),
        ;
    }

    # The redirection is root's, who alone may read the file; the program runs as the service does.
    $as_service = ['runuser', '-u', $cheeseshop::user, '--']
    $command = shellquote($as_service + ['/usr/bin/cheeseshop', 'passwd', '--config', $cheeseshop::config_file, 'root'])
    $login = shellquote([
        '/usr/bin/cheeseshop', 'layout', 'export', '--server', $cheeseshop::api_url,
        '--user', 'root', '--password-file', $password_file, 'root',
    ])
    $accepted = "${login} >/dev/null && exit 0"
    exec { 'cheeseshop password of root':
      # A running server notices within a second.
      command     => "${command} < ${shellquote($password_file)} && for try in 1 2 3 4 5; do sleep 1; ${accepted}; done; exit 1",
      # `false`, for Puppet takes the exit code of a program that is not there for an error.
      unless      => "${login} >/dev/null 2>&1 || false",
      provider    => shell,
      path        => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      cwd         => '/',
      # Nobody's logins are looked at, and none is kept. The password goes to this machine and not through the
      # proxy that Puppet may have been started with.
      environment => ['DEVPI_CLIENTDIR=/nonexistent', 'http_proxy=', 'HTTP_PROXY=', 'all_proxy=', 'ALL_PROXY='],
      require     => File[$password_file, $settings_file],
    }
  }

  $cheeseshop::users.each |$name, $values| {
    # Also where Hiera gives it as a plain text, it stays out of reports.
    $hidden = $values['password'] ? {
      String  => { 'password' => Sensitive($values['password']) },
      default => {},
    }
    cheeseshop_user { $name:
      * => $values + $hidden,
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
