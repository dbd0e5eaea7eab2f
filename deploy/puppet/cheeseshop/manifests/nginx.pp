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
# @example In front of two servers with one database and one bucket
#   class { 'cheeseshop::nginx':
#     server_name => 'packages.corp.example',
#     nodes       => ['shop1.corp.example', 'shop2.corp.example'],
#   }
#
# @param server_name
#   The name of the site.
#
# @param ensure
#   Whether there is such a site. `absent` leaves nginx itself, certificates and the rights to files alone.
#
# @param nodes
#   The servers to send requests to, by turns, with those left out that do not answer. Each needs `cheeseshop::listen`
#   with an address that nginx can reach, nginx's own among its `trusted_proxies`, and the `database` and `blobs` of the
#   others. Default: the server on this machine.
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
  Enum['present', 'absent'] $ensure = 'present',
  Array[Cheeseshop::Node] $nodes = [],
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

  $is_there = $ensure == 'present'
  if $send_files and ($cheeseshop::stored.get('bucket') or !$nodes.empty) {
    fail('cheeseshop::nginx: send_files is for one server with its files on this machine')
  }
  if !$tls and !$http_port {
    fail('cheeseshop::nginx: without TLS and without http_port nothing is left to listen on')
  }

  if $manage_package {
    package { $package_name:
      ensure => installed,
      before => File[$config_file],
    }
  }

  if $certificate_content and $is_there {
    file { $certificate:
      ensure  => file,
      owner   => 'root',
      group   => 'root',
      mode    => '0644',
      content => $certificate_content,
    }
  }
  if $key_content !~ Undef and $is_there {
    file { $key:
      ensure    => file,
      owner     => 'root',
      group     => 'root',
      mode      => '0600',
      content   => $key_content,
      show_diff => false,
    }
  }

  if $default_site and $default_site_file and $is_there {
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

  if $send_files and $is_there {
    if $manage_package {
      ensure_resource('package', 'acl', { 'ensure' => 'installed' })
      Package['acl'] -> Exec["files for ${nginx_user}"]
    }
    $elsewhere = [$cheeseshop::stored.get('path'), $cheeseshop::settings.get('blobs.path')].filter |$path| { $path !~ Undef }
    $blobs = ($elsewhere + ["${cheeseshop::data_dir}/blobs"])[0]
    ensure_resource('file', $blobs, {
        'ensure' => 'directory',
        'owner'  => $cheeseshop::user,
        'group'  => $cheeseshop::group,
        'mode'   => '0750',
    })
    Class['cheeseshop::account', 'cheeseshop::install'] -> File[$blobs]
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

  $targets = $nodes.map |$node| {
    $node ? {
      /\A(unix:|.*:\d+\z)/ => $node,
      default               => "${node}:${cheeseshop::port}",
    }
  }

  # The mode and owner only: what is in it is written by the program.
  file { $config_file:
    ensure => stdlib::ensure($is_there, 'file'),
    owner  => 'root',
    group  => 'root',
    mode   => '0644',
  }
  if $is_there {
    cheeseshop::generated { $config_file:
      arguments => ['nginx', '--server-name', ([$server_name] + $aliases).join(',')]
      + $tls_options + $values.map |$option, $value| { [$option, String($value)] }.flatten + $client_options + $flags
      + $targets.map |$node| { ['--node', $node] }.flatten
      + $allow_status.map |$network| { ['--allow-status', $network] }.flatten,
      require   => File[$config_file],
    }
  }

  if $manage_service {
    service { $service_name:
      ensure  => running,
      enable  => true,
      # A site that nginx would not take leaves it as it is.
      restart => "nginx -t && systemctl reload ${service_name}",
      require => Class['cheeseshop::service'],
    }
    $site = $is_there ? {
      true    => Cheeseshop::Generated[$config_file],
      default => File[$config_file],
    }
    $site ~> Service[$service_name]
    if $certificate_content and $is_there {
      File[$certificate] ~> Service[$service_name]
    }
    if $key_content !~ Undef and $is_there {
      File[$key] ~> Service[$service_name]
    }
  }
}
