# Two machines with one database and one bucket are one index. nginx on the first of them sends requests to both.
class { 'cheeseshop::install':
  package_source => '/opt/cheeseshop.deb',
}

class { 'cheeseshop':
  listen          => ["127.0.0.${1 + Integer($facts['node'])}:3141"],
  outside_url     => 'https://packages.corp.example/',
  trusted_proxies => ['127.0.0.0/8'],
  database        => Sensitive('postgres://shop:topsecret-of-database@db.corp.example/shop'),
  blobs           => {
    'bucket'     => 'shop',
    'endpoint'   => 'http://s3.corp.example:8333/',
    'allow_http' => true,
    'access_key' => 'shop',
    'secret_key' => Sensitive('topsecret-of-store'),
  },
  root_password   => Sensitive(lookup('cheeseshop_root_password')),
  users           => { 'team' => { 'password' => Sensitive(lookup('cheeseshop_team_password')) } },
  indexes         => { 'team/dev' => { 'bases' => ['root/pypi'], 'acl_upload' => ['team'] } },
}

if $facts['node'] == '1' {
  class { 'cheeseshop::nginx':
    server_name => 'packages.corp.example',
    nodes       => ['shop1.corp.example', 'shop2.corp.example:3141'],
  }
}
