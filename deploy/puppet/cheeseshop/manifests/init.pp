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
# @param trusted_proxies
#   Addresses and networks of proxies in front that are not on this machine (`cheeseshop::nginx::nodes`). Those of this
#   machine are named here too then.
#
# @param api_url
#   Where Puppet reaches the server. Default: the first address of `listen` without TLS, where that takes logins, else
#   `outside_url`.
#
# @param database
#   The URL of the database, `postgres://USER:PASSWORD@HOST/NAME`. Default: a file in `data_dir`. Kept as `secrets` are.
#
# @param blobs
#   Where the bytes of files are kept, when not in `data_dir`: `path`, or `bucket` and the other keys of an
#   S3-compatible store. With `database` and a bucket several servers are one index.
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
# @param theme
#   A directory with the look of the pages: `theme.css`, a logo, fonts (docs/manual/web-pages.md). A new one is taken
#   over without a restart.
#
# @param theme_source
#   Where Puppet has that directory from (`puppet:///modules/profile/theme`). It is the directory's only content then.
#   Without `theme` it goes to `theme` below `config_dir`.
#
# @param socket
#   Whether systemd opens the addresses of `listen`, before the server is there: for a port below 1024, say. Restarts
#   refuse no connection without it either. Not for addresses with TLS. `false` takes them back; without it
#   `cheeseshop.socket` is left alone.
#
# @param settings
#   Any other setting, by section. Those of `log`, `tls` and `web` are taken over without a restart.
#
# @param secrets
#   Other settings that are secrets (those that have a twin with `_file`): each goes into a file of its own. Each is
#   `Sensitive`, or all of them together are, as they are from Hiera.
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
#   The password of `root`, by which Puppet administers the server: at least eight characters, four of them different. A
#   new server begins with it. Without it nothing is made on the server, unless `/etc/cheeseshop/puppet.json` is
#   there already.
#
# @param users
#   Resources `cheeseshop_user`. Each `password` is `Sensitive`, or all of it is, as it is from Hiera.
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
  Variant[Cheeseshop::Secrets, Sensitive[Cheeseshop::Secrets]] $secrets,
  Hash[Pattern[/\A[A-Za-z_][A-Za-z0-9_]*\z/], Cheeseshop::Variable] $environment,
  Boolean $purge_conf_d,
  String[1] $service_name,
  Stdlib::Ensure::Service $service_ensure,
  Boolean $service_enable,
  Variant[Cheeseshop::Users, Sensitive[Cheeseshop::Users]] $users,
  Hash[String[1], Hash] $layouts,
  Hash[Cheeseshop::Index, Hash] $indexes,
  Hash[String[1], Hash] $tokens,
  Hash[String[1], Hash] $retentions,
  Optional[Integer[1]] $uid = undef,
  Optional[Integer[1]] $gid = undef,
  Optional[Array[Cheeseshop::Listen, 1]] $listen = undef,
  Optional[Stdlib::HTTPUrl] $outside_url = undef,
  Optional[Array[Pattern[/\A[0-9A-Fa-f.:\/]+\z/], 1]] $trusted_proxies = undef,
  Optional[Stdlib::HTTPUrl] $api_url = undef,
  Optional[Sensitive[Cheeseshop::DatabaseUrl]] $database = undef,
  Optional[Variant[Cheeseshop::Blobs, Sensitive[Cheeseshop::Blobs]]] $blobs = undef,
  Optional[Variant[Cheeseshop::Proxy, Enum['none', 'environment'], Sensitive[String[1]]]] $mirror_proxy = undef,
  Optional[Cheeseshop::Proxy] $http_proxy = undef,
  Optional[Cheeseshop::Proxy] $https_proxy = undef,
  Optional[Cheeseshop::Variable] $no_proxy = undef,
  Optional[Variant[Stdlib::HTTPUrl, Sensitive[Stdlib::HTTPUrl]]] $root_pypi_url = undef,
  Optional[Stdlib::Absolutepath] $tls_certificate = undef,
  Optional[Stdlib::Absolutepath] $tls_key = undef,
  Optional[String[1]] $tls_certificate_content = undef,
  Optional[Sensitive[String[1]]] $tls_key_content = undef,
  Optional[Stdlib::Absolutepath] $theme = undef,
  Optional[Stdlib::Filesource] $theme_source = undef,
  Optional[Boolean] $socket = undef,
  Optional[Sensitive[Cheeseshop::Password]] $root_password = undef,
) {
  $hide = 'give it as Sensitive'
  cheeseshop::without_login('cheeseshop::mirror_proxy', $mirror_proxy, $hide)
  cheeseshop::without_login('cheeseshop::root_pypi_url', $root_pypi_url, $hide)
  $use_other = 'mirror_proxy takes it as Sensitive'
  cheeseshop::without_login('cheeseshop::http_proxy', $http_proxy, $use_other)
  cheeseshop::without_login('cheeseshop::https_proxy', $https_proxy, $use_other)
  cheeseshop::without_login('cheeseshop::api_url', $api_url, 'Puppet logs in with root_password')
  cheeseshop::without_login('cheeseshop::outside_url', $outside_url, 'whoever uses it has a login of their own')
  $use_secrets = 'cheeseshop::secrets takes it as Sensitive'
  $environment.each |$name, $value| {
    cheeseshop::without_login("cheeseshop::environment, ${name}", $value, $use_secrets)
  }
  $settings.each |$section, $values| {
    $values.each |$key, $value| {
      cheeseshop::without_login("cheeseshop::settings, ${section}.${key}", $value, $use_secrets)
    }
  }
  if $settings.get('blobs.secret_key') !~ Undef or 'CHEESESHOP_BLOBS__SECRET_KEY' in $environment {
    fail("cheeseshop: blobs.secret_key is a secret: ${use_secrets}")
  }

  if $root_password !~ Undef and $root_password.unwrap.split('').unique.length < 4 {
    fail('cheeseshop: root_password is refused by the server: it needs four different characters')
  }

  $addresses = $listen ? {
    undef   => ["127.0.0.1:${port}"],
    default => $listen,
  }
  # Beside addresses with TLS those without refuse logins, unless they are told otherwise.
  $has_tls = !$addresses.filter |$address| { $address =~ /\Ahttps:/ }.empty
  $open = ($has_tls and $settings.get('tls.plain_http') != 'serve') ? {
    true    => [],
    default => $addresses,
  }
  $local_url = [$api_url, cheeseshop::api_url($open, $outside_url)].filter |$url| { $url !~ Undef }
  $puppet_url = $local_url[0]
  if $puppet_url =~ Undef and ($root_password !~ Undef or !$retentions.empty) {
    fail('cheeseshop: Puppet needs an address of the server: one without TLS in listen (and tls.plain_http), or outside_url, or api_url')
  }
  $stored = $blobs ? {
    undef   => {},
    default => cheeseshop::revealed('cheeseshop::blobs', $blobs, ['secret_key']),
  }
  $config_file = "${config_dir}/cheeseshop.toml"
  # What a running server takes over (docs/manual/service.md), in a file of its own.
  $live_sections = ['log', 'tls', 'web']

  contain cheeseshop::account
  contain cheeseshop::root
  contain cheeseshop::install
  contain cheeseshop::config
  contain cheeseshop::service
  contain cheeseshop::reload
  contain cheeseshop::server

  Class['cheeseshop::account', 'cheeseshop::root']
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
