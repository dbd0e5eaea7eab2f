# @summary Directories and settings.
#
# @api private
class cheeseshop::config {
  assert_private()

  $user = $cheeseshop::user
  $group = $cheeseshop::group
  $directory = $cheeseshop::config_dir
  $secrets_directory = "${directory}/secrets"

  if $cheeseshop::home != $cheeseshop::data_dir {
    file { $cheeseshop::home:
      ensure => directory,
      owner  => $user,
      group  => $group,
      mode   => '0755',
    }
  }

  file { $cheeseshop::data_dir:
    ensure => directory,
    owner  => $user,
    group  => $group,
    mode   => '0750',
  }

  # Where the types look for `puppet.json`, wherever the settings are.
  if $directory != '/etc/cheeseshop' {
    file { '/etc/cheeseshop':
      ensure => directory,
      owner  => 'root',
      group  => 'root',
      mode   => '0755',
    }
  }

  file {
    default:
      owner => 'root',
      group => $group,
      mode  => '0750',
      ;
    $directory:
      ensure => directory,
      group  => 'root',
      mode   => '0755',
      ;
    "${directory}/conf.d":
      ensure  => directory,
      recurse => $cheeseshop::purge_conf_d,
      purge   => $cheeseshop::purge_conf_d,
      ;
    $secrets_directory:
      ensure  => directory,
      recurse => true,
      purge   => true,
      ;
  }

  $given = [
    ['mirror.proxy', $cheeseshop::mirror_proxy],
    ['mirror.root_pypi_url', $cheeseshop::root_pypi_url],
  ]
  $hidden = $given.filter |$pair| { $pair[1] =~ Sensitive }.reduce({}) |$all, $pair| { $all + { $pair[0] => $pair[1] } }
  $secrets = $cheeseshop::secrets + $hidden
  $secrets.each |$name, $secret| {
    file { "${secrets_directory}/${name}":
      ensure    => file,
      owner     => 'root',
      group     => $group,
      mode      => '0640',
      content   => $secret,
      show_diff => false,
      before    => File[$cheeseshop::config_file],
    }
  }

  $own = [
    ['server', 'listen', $cheeseshop::addresses],
    # For the timer of the package, once it is enabled; class `cheeseshop::backup` may say another one.
    ['backup', 'directory', '/var/backups/cheeseshop'],
    ['server', 'data_dir', $cheeseshop::data_dir],
    ['server', 'outside_url', $cheeseshop::outside_url],
    ['tls', 'certificate', $cheeseshop::tls_certificate],
    ['tls', 'key', $cheeseshop::tls_key],
    ['mirror', 'proxy', $cheeseshop::mirror_proxy],
    ['mirror', 'root_pypi_url', $cheeseshop::root_pypi_url],
  ].filter |$setting| { $setting[2] !~ Undef and $setting[2] !~ Sensitive }
  $files = $secrets.keys.sort.map |$name| {
    $words = $name.split('[.]')
    [$words[0, -2].join('.'), "${words[-1]}_file", "${secrets_directory}/${name}"]
  }
  $settings = ($own + $files).reduce({}) |$all, $setting| {
    deep_merge($all, { $setting[0] => { $setting[1] => $setting[2] } })
  }

  # Class `cheeseshop::reload` has those of the log.
  $other = $cheeseshop::settings.filter |$section, $_values| { $section != 'log' }
  file { $cheeseshop::config_file:
    ensure       => file,
    owner        => 'root',
    group        => $group,
    mode         => '0640',
    show_diff    => false,
    content      => epp('cheeseshop/cheeseshop.toml.epp', { 'settings' => deep_merge($settings, $other) }),
    validate_cmd => '/usr/bin/cheeseshop config check --config %',
    require      => File["${directory}/conf.d"],
  }
}
