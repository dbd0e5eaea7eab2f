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

  file {
    default:
      owner => 'root',
      group => $group,
      mode  => '0750',
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

  $own = [
    ['server', 'listen', $cheeseshop::addresses],
    # For the timer of the package, once it is enabled; class `cheeseshop::backup` may say another one.
    ['backup', 'directory', '/var/backups/cheeseshop'],
    ['server', 'data_dir', $cheeseshop::data_dir],
    ['server', 'outside_url', $cheeseshop::outside_url],
    ['server', 'trusted_proxies', $cheeseshop::trusted_proxies],
    ['database', 'url', $cheeseshop::database],
    ['mirror', 'proxy', $cheeseshop::mirror_proxy],
    ['mirror', 'root_pypi_url', $cheeseshop::root_pypi_url],
  ]
  $kind = $cheeseshop::stored.get('bucket') ? {
    undef   => [],
    default => [['blobs', 'kind', 's3']],
  }
  $blobs = $cheeseshop::stored.map |$key, $value| { ['blobs', $key, $value] }
  $named = ($own + $kind + $blobs).filter |$setting| { $setting[2] !~ Undef }

  $hidden = $named.filter |$setting| { $setting[2] =~ Sensitive }
  $given = cheeseshop::revealed('cheeseshop::secrets', $cheeseshop::secrets)
  $secrets = $given + $hidden.reduce({}) |$all, $setting| { $all + { "${setting[0]}.${setting[1]}" => $setting[2] } }
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

  $files = $secrets.keys.sort.map |$name| {
    $words = $name.split('[.]')
    [$words[0, -2].join('.'), "${words[-1]}_file", "${secrets_directory}/${name}"]
  }
  $open = $named.filter |$setting| { $setting[2] !~ Sensitive }
  $settings = ($open + $files).reduce({}) |$all, $setting| {
    deep_merge($all, { $setting[0] => { $setting[1] => $setting[2] } })
  }

  # The others are class `cheeseshop::reload`'s.
  $other = $cheeseshop::settings.filter |$section, $_values| { !($section in $cheeseshop::live_sections) }
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

  $local_blobs = $cheeseshop::stored.get('path')
  if $local_blobs {
    file { $local_blobs:
      ensure => directory,
      owner  => $user,
      group  => $group,
      mode   => '0750',
    }
  }
}
