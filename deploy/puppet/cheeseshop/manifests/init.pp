# @summary A private package index: program, settings, service, and what is on the server.
#
# @example An index with a team layout behind nginx
#   class { 'cheeseshop':
#     outside_url   => 'https://packages.corp.example/',
#     mirror_proxy  => 'http://proxy.corp.example:3128',
#     root_password => Sensitive(lookup('cheeseshop_root_password')),
#     layouts       => { 'team' => { 'content' => file('cheeseshop/team.toml') } },
#   }
#
# @param user
#   The user whom the service runs as.
#
# @param group
#   The group of that user.
#
# @param home
#   The home of that user.
#
# @param data_dir
#   Where database, files and lock are.
#
# @param config_dir
#   Where the settings are. Commands by hand look in `/etc/cheeseshop`.
#
# @param uid
#   The number of the user. Given, the user is made before the package would.
#
# @param gid
#   The number of the group.
#
# @param port
#   The port to listen on, on this machine only. `listen` says more.
#
# @param listen
#   All that is listened on, in place of `port`.
#
# @param outside_url
#   The URL that users see, when the server stands behind a proxy.
#
# @param mirror_proxy
#   The proxy that mirrors, pushes and triggers go through; `Sensitive` with a password in it. Default: what
#   `http_proxy` and its siblings say.
#
# @param http_proxy
#   The variable `http_proxy` of the service.
#
# @param https_proxy
#   The variable `https_proxy` of the service.
#
# @param no_proxy
#   The variable `no_proxy` of the service.
#
# @param root_pypi_url
#   The upstream of `root/pypi`. Default: PyPI. With `root_password` it is kept so, else only the first start heeds it.
#
# @param tls_certificate
#   A certificate with its chain, for a server that speaks TLS itself (`https://…` in `listen`).
#
# @param tls_key
#   The key of that certificate.
#
# @param tls_certificate_content
#   What is in the file of the certificate, to have Puppet write it. A new one is read without a restart, as it is
#   when something of yours notifies `Exec['cheeseshop reload']`.
#
# @param tls_key_content
#   What is in the file of the key.
#
# @param socket
#   Whether systemd holds the addresses of `listen`, so that no connection is refused while the server restarts. Not
#   for addresses with TLS. `false` takes them back; without it `cheeseshop.socket` is left alone.
#
# @param settings
#   Any other setting, by section. Those of `log` are read without a restart.
#
# @param secrets
#   Settings that are secrets (`database.url`, `blobs.secret_key`): each goes into a file of its own.
#
# @param environment
#   More variables of the service. No secrets.
#
# @param purge_conf_d
#   Whether files in `conf.d` that Puppet does not know are removed.
#
# @param service_name
#   The unit.
#
# @param service_ensure
#   `running` or `stopped`.
#
# @param service_enable
#   Whether it is started at boot.
#
# @param root_password
#   The password of `root`, by which Puppet administers the server. Without it nothing is made on the server,
#   unless `/etc/cheeseshop/puppet.json` is there already.
#
# @param users
#   Resources `cheeseshop_user`.
#
# @param layouts
#   Resources `cheeseshop_layout`.
#
# @param indexes
#   Resources `cheeseshop_index`.
#
# @param tokens
#   Resources `cheeseshop_token`.
#
# @param retentions
#   Resources `cheeseshop::retention`.
class cheeseshop (
  Cheeseshop::Username $user,
  Cheeseshop::Username $group,
  Stdlib::Absolutepath $home,
  Stdlib::Absolutepath $data_dir,
  Stdlib::Absolutepath $config_dir,
  Cheeseshop::Port $port,
  Cheeseshop::Settings $settings,
  Hash[Cheeseshop::SecretName, Sensitive[String[1]]] $secrets,
  Hash[Pattern[/\A[A-Za-z_][A-Za-z0-9_]*\z/], Cheeseshop::Variable] $environment,
  Boolean $purge_conf_d,
  String[1] $service_name,
  Stdlib::Ensure::Service $service_ensure,
  Boolean $service_enable,
  Hash[Cheeseshop::Username, Hash] $users,
  Hash[String[1], Hash] $layouts,
  Hash[Cheeseshop::Index, Hash] $indexes,
  Hash[String[1], Hash] $tokens,
  Hash[String[1], Hash] $retentions,
  Optional[Integer[1]] $uid = undef,
  Optional[Integer[1]] $gid = undef,
  Optional[Array[Cheeseshop::Listen, 1]] $listen = undef,
  Optional[Stdlib::HTTPUrl] $outside_url = undef,
  Optional[Variant[Cheeseshop::Proxy, Enum['none', 'environment'], Sensitive[String[1]]]] $mirror_proxy = undef,
  Optional[Cheeseshop::Proxy] $http_proxy = undef,
  Optional[Cheeseshop::Proxy] $https_proxy = undef,
  Optional[Cheeseshop::Variable] $no_proxy = undef,
  Optional[Variant[Stdlib::HTTPUrl, Sensitive[Stdlib::HTTPUrl]]] $root_pypi_url = undef,
  Optional[Stdlib::Absolutepath] $tls_certificate = undef,
  Optional[Stdlib::Absolutepath] $tls_key = undef,
  Optional[String[1]] $tls_certificate_content = undef,
  Optional[Sensitive[String[1]]] $tls_key_content = undef,
  Optional[Boolean] $socket = undef,
  Optional[Sensitive[String[1]]] $root_password = undef,
) {
  $addresses = $listen ? {
    undef   => ["127.0.0.1:${port}"],
    default => $listen,
  }
  $api_url = cheeseshop::api_url($addresses)
  $config_file = "${config_dir}/cheeseshop.toml"

  contain cheeseshop::account
  contain cheeseshop::install
  contain cheeseshop::config
  contain cheeseshop::service
  contain cheeseshop::reload
  contain cheeseshop::server

  Class['cheeseshop::account']
  -> Class['cheeseshop::install']
  -> Class['cheeseshop::config']
  -> Class['cheeseshop::service']
  -> Class['cheeseshop::server']

  # Not the whole class: its other resources are notified of what is theirs.
  Class['cheeseshop::config'] ~> Service[$service_name]

  $retentions.each |$name, $values| {
    cheeseshop::retention { $name:
      * => $values,
    }
  }
}
