# @summary What a running server takes over without a restart: certificates, and how it logs.
#
# @api private
class cheeseshop::reload {
  assert_private()

  $certificate = $cheeseshop::tls_certificate_content
  $key = $cheeseshop::tls_key_content

  if $certificate !~ Undef {
    if $cheeseshop::tls_certificate =~ Undef {
      fail('cheeseshop: tls_certificate_content needs tls_certificate: the file')
    }
    file { $cheeseshop::tls_certificate:
      ensure  => file,
      owner   => 'root',
      group   => $cheeseshop::group,
      mode    => '0644',
      content => $certificate,
    }
  }
  if $key !~ Undef {
    if $cheeseshop::tls_key =~ Undef {
      fail('cheeseshop: tls_key_content needs tls_key: the file')
    }
    file { $cheeseshop::tls_key:
      ensure    => file,
      owner     => 'root',
      group     => $cheeseshop::group,
      mode      => '0640',
      content   => $key,
      show_diff => false,
    }
  }
  $files = [[$certificate, $cheeseshop::tls_certificate], [$key, $cheeseshop::tls_key]].filter |$pair| { $pair[0] !~ Undef }
  $files.each |$pair| {
    File[$pair[1]] {
      require => Class['cheeseshop::install'],
      before  => File[$cheeseshop::config_file],
      notify  => Exec['cheeseshop reload'],
    }
  }

  $log = $cheeseshop::settings.filter |$section, $_values| { $section == 'log' }
  file { "${cheeseshop::config_dir}/conf.d/puppet-log.toml":
    ensure       => stdlib::ensure(!$log.empty, 'file'),
    owner        => 'root',
    group        => $cheeseshop::group,
    mode         => '0640',
    content      => epp('cheeseshop/cheeseshop.toml.epp', { 'settings' => $log }),
    # The file alone does not say where the data are, and Puppet has no home.
    validate_cmd => "/usr/bin/cheeseshop config check --config % --data-dir ${shellquote($cheeseshop::data_dir)}",
    require      => Class['cheeseshop::install'],
    before       => Service[$cheeseshop::service_name],
    notify       => Exec['cheeseshop reload'],
  }

  exec { 'cheeseshop reload':
    command     => shellquote(['systemctl', 'reload', $cheeseshop::service_name]),
    onlyif      => shellquote(['systemctl', 'is-active', '--quiet', $cheeseshop::service_name]),
    path        => ['/usr/bin', '/bin'],
    refreshonly => true,
    require     => Service[$cheeseshop::service_name],
  }
}
