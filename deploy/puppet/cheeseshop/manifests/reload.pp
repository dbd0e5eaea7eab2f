# @summary What a running server takes over without a restart: certificates, how it logs, the look of its pages.
#
# @api private
class cheeseshop::reload {
  assert_private()

  $certificate = $cheeseshop::tls_certificate_content
  $key = $cheeseshop::tls_key_content
  if $certificate !~ Undef and $cheeseshop::tls_certificate =~ Undef {
    fail('cheeseshop: tls_certificate_content needs tls_certificate: the file')
  }
  if $key !~ Undef and $cheeseshop::tls_key =~ Undef {
    fail('cheeseshop: tls_key_content needs tls_key: the file')
  }

  $theme = $cheeseshop::theme_source ? {
    undef   => $cheeseshop::theme,
    default => pick($cheeseshop::theme, "${cheeseshop::config_dir}/theme"),
  }
  $settings_file = "${cheeseshop::config_dir}/conf.d/puppet-live.toml"

  File {
    owner   => 'root',
    group   => $cheeseshop::group,
    require => Class['cheeseshop::install'],
    notify  => Exec['cheeseshop reload'],
  }

  if $certificate !~ Undef {
    file { $cheeseshop::tls_certificate:
      ensure  => file,
      mode    => '0644',
      content => $certificate,
      before  => File[$settings_file],
    }
  }
  if $key !~ Undef {
    file { $cheeseshop::tls_key:
      ensure    => file,
      mode      => '0640',
      content   => $key,
      show_diff => false,
      before    => File[$settings_file],
    }
  }
  if $cheeseshop::theme_source {
    file { $theme:
      ensure  => directory,
      # Directories get the right to be entered beside that.
      mode    => '0644',
      source  => $cheeseshop::theme_source,
      recurse => true,
      purge   => true,
      force   => true,
      before  => File[$settings_file],
    }
  }

  $own = [
    ['tls', 'certificate', $cheeseshop::tls_certificate],
    ['tls', 'key', $cheeseshop::tls_key],
    ['web', 'theme', $theme],
  ].filter |$setting| { $setting[2] !~ Undef }
  $given = $cheeseshop::settings.filter |$section, $_values| { $section in $cheeseshop::live_sections }
  $settings = $own.reduce({}) |$all, $setting| { deep_merge($all, { $setting[0] => { $setting[1] => $setting[2] } }) }
  $live = deep_merge($settings, $given)
  file { $settings_file:
    ensure       => stdlib::ensure(!$live.empty, 'file'),
    mode         => '0640',
    content      => epp('cheeseshop/cheeseshop.toml.epp', { 'settings' => $live }),
    # The file alone does not say where the data are, and Puppet has no home.
    validate_cmd => "/usr/bin/cheeseshop config check --config % --data-dir ${shellquote($cheeseshop::data_dir)}",
    # An address with TLS needs a certificate, and those addresses are there.
    before       => File[$cheeseshop::config_file],
  }

  # The server tells its log alone what it has not taken over, and would not start with it.
  $look = shellquote(['cheeseshop', 'config', 'check', '--config', $cheeseshop::config_file])
  exec { 'cheeseshop reload':
    command     => "${look} && ${shellquote(['systemctl', 'reload', $cheeseshop::service_name])}",
    onlyif      => shellquote(['systemctl', 'is-active', '--quiet', $cheeseshop::service_name]),
    provider    => shell,
    path        => ['/usr/bin', '/bin'],
    refreshonly => true,
    require     => Service[$cheeseshop::service_name],
  }
}
