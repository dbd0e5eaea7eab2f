# @summary nginx in front of the server, with TLS.
#
# The site is what `cheeseshop gen-config nginx` writes from the server's settings.
#
# @example
#   class { 'cheeseshop::nginx':
#     server_name => 'packages.corp.example',
#     certificate => '/etc/ssl/certs/packages.pem',
#     key         => '/etc/ssl/private/packages.key',
#   }
#
# @param server_name
#   The name of the site.
#
# @param aliases
#   Other names of it.
#
# @param certificate
#   The certificate with its chain. Default: `/etc/ssl/certs/NAME.pem`.
#
# @param key
#   The key of the certificate. Default: `/etc/ssl/private/NAME.key`.
#
# @param certificate_content
#   What is in that file, to have Puppet write it. Else it is somebody else's business, and only has to be there.
#
# @param key_content
#   What is in the file of the key.
#
# @param tls
#   Whether TLS is spoken. Without it, only in a network that encrypts by itself.
#
# @param https_port
#   Port, or address and port, for TLS; with `tls => false` it has no meaning.
#
# @param http_port
#   Port, or address and port, for plain HTTP, which leads to HTTPS (and is all there is with `tls => false`).
#   `false`: nothing is listened on.
#
# @param default_site
#   Whether the default site of the distribution is taken away, so that this one answers for it.
#
# @param default_site_file
#   Where that is enabled.
#
# @param immutable_accounts
#   Whether users can be made, changed and removed through nginx (405 then).
#
# @param login_rate
#   Logins per minute and address; 0 for any number.
#
# @param allow_status
#   Who may read metrics and status: addresses, networks, `all`. Default: this machine.
#
# @param client_ca
#   Authorities of client certificates that callers have to show.
#
# @param client_certificates
#   Whether each caller has to show one.
#
# @param cache
#   A directory in which project pages are kept for as long as the server is away.
#
# @param acme_root
#   A directory in which an ACME client answers challenges.
#
# @param send_files
#   Whether nginx may read the files of the server (by `setfacl`), to send them itself. Needs the setting
#   `server.accel_location`. `false` takes nothing back.
#
# @param nginx_user
#   The user whom nginx runs as.
#
# @param config_file
#   The site.
#
# @param manage_package
#   Whether nginx is installed.
#
# @param package_name
#   Its package.
#
# @param manage_service
#   Whether nginx is started and reloaded.
#
# @param service_name
#   Its unit.
class cheeseshop::nginx (
  Stdlib::Host $server_name,
  Boolean $manage_package,
  Boolean $manage_service,
  String[1] $package_name,
  String[1] $service_name,
  Stdlib::Absolutepath $config_file,
  Cheeseshop::Username $nginx_user,
  Array[Stdlib::Host] $aliases = [],
  Boolean $tls = true,
  Stdlib::Absolutepath $certificate = "/etc/ssl/certs/${server_name}.pem",
  Stdlib::Absolutepath $key = "/etc/ssl/private/${server_name}.key",
  Optional[String[1]] $certificate_content = undef,
  Optional[Sensitive[String[1]]] $key_content = undef,
  Cheeseshop::Address $https_port = 443,
  Variant[Cheeseshop::Address, Boolean[false]] $http_port = 80,
  Boolean $default_site = false,
  Optional[Stdlib::Absolutepath] $default_site_file = undef,
  Boolean $immutable_accounts = false,
  Optional[Integer[0]] $login_rate = undef,
  Array[String[1]] $allow_status = [],
  Optional[Stdlib::Absolutepath] $client_ca = undef,
  Enum['required', 'optional'] $client_certificates = 'required',
  Optional[Stdlib::Absolutepath] $cache = undef,
  Optional[Stdlib::Absolutepath] $acme_root = undef,
  Boolean $send_files = false,
) {
  include cheeseshop

  if !$tls and !$http_port {
    fail('cheeseshop::nginx: without TLS and without http_port nothing is left to listen on')
  }

  if $manage_package {
    package { $package_name:
      ensure => installed,
      before => File[$config_file],
    }
  }

  if $certificate_content {
    file { $certificate:
      ensure  => file,
      owner   => 'root',
      group   => 'root',
      mode    => '0644',
      content => $certificate_content,
    }
  }
  if $key_content !~ Undef {
    file { $key:
      ensure    => file,
      owner     => 'root',
      group     => 'root',
      mode      => '0600',
      content   => $key_content,
      show_diff => false,
    }
  }

  if $default_site and $default_site_file {
    file { $default_site_file:
      ensure => absent,
    }
    if $manage_package {
      Package[$package_name] -> File[$default_site_file]
    }
    if $manage_service {
      File[$default_site_file] ~> Service[$service_name]
    }
  }

  if $send_files {
    if $manage_package {
      ensure_packages(['acl'])
      Package['acl'] -> Exec["files for ${nginx_user}"]
    }
    $blobs = $cheeseshop::settings.get('blobs.path', "${cheeseshop::data_dir}/blobs")
    file { $blobs:
      ensure  => directory,
      owner   => $cheeseshop::user,
      group   => $cheeseshop::group,
      mode    => '0750',
      require => Class['cheeseshop::config'],
    }
    # The right to the files and to nothing else: the service's group may read the settings, and the secrets in them.
    $way = shellquote($cheeseshop::data_dir)
    $all = shellquote($blobs)
    exec { "files for ${nginx_user}":
      command  => "setfacl -m u:${nginx_user}:x ${way} && setfacl -R -m u:${nginx_user}:rX,d:u:${nginx_user}:rX ${all}",
      unless   => [
        "getfacl -cp ${way} | grep -q '^user:${nginx_user}:..x$'",
        "getfacl -cp ${all} | grep -q '^default:user:${nginx_user}:r.x$'",
      ].join(' && '),
      provider => shell,
      path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      require  => File[$blobs, $config_file],
    }
  }

  $tls_options = $tls ? {
    false   => ['--plain-http', '--listen', String($http_port)],
    default => [
      '--certificate', $certificate, '--key', $key, '--listen', String($https_port),
      '--redirect-from', $http_port ? { false => 'none', default => String($http_port) },
    ],
  }
  $values = {
    '--login-rate' => $login_rate,
    '--client-ca'  => $client_ca,
    '--cache'      => $cache,
    '--acme-root'  => $acme_root,
  }.filter |$_option, $value| { $value !~ Undef }
  $client_options = $client_ca ? {
    undef   => [],
    default => ['--client-certificates', $client_certificates],
  }
  $flags = $immutable_accounts ? {
    true    => ['--immutable-accounts'],
    default => [],
  }

  # The mode and owner only: what is in it is written by the program.
  file { $config_file:
    ensure => file,
    owner  => 'root',
    group  => 'root',
    mode   => '0644',
  }
  cheeseshop::generated { $config_file:
    arguments => ['nginx', '--server-name', ([$server_name] + $aliases).join(',')]
    + $tls_options + $values.map |$option, $value| { [$option, String($value)] }.flatten + $client_options + $flags
    + $allow_status.map |$network| { ['--allow-status', $network] }.flatten,
    require   => File[$config_file],
  }

  if $manage_service {
    service { $service_name:
      ensure  => running,
      enable  => true,
      # A site that nginx would not take leaves it as it is.
      restart => "nginx -t && systemctl reload ${service_name}",
      require => Class['cheeseshop::service'],
    }
    [Cheeseshop::Generated[$config_file]] ~> Service[$service_name]
    if $certificate_content {
      File[$certificate] ~> Service[$service_name]
    }
    if $key_content !~ Undef {
      File[$key] ~> Service[$service_name]
    }
  }
}
