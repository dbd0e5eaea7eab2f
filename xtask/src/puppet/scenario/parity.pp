# What the module of 2016 could do, in the words of this one.
class { 'cheeseshop::install':
  package_source => '/opt/cheeseshop.deb',
}

class { 'cheeseshop':
  uid           => 3141,
  gid           => 3142,
  home          => '/srv/shop',
  data_dir      => '/srv/shop/data',
  listen        => ['127.0.0.1:3141', '127.0.0.1:3142'],
  outside_url   => 'https://packages.corp.example:31443/',
  http_proxy    => 'http://proxy.corp.example:3128',
  no_proxy      => 'localhost,.test',
  # As one with a password in it is given.
  mirror_proxy  => Sensitive('http://proxy.corp.example:3128'),
  root_password => Sensitive(lookup('cheeseshop_root_password')),
  settings      => { 'server' => { 'accel_location' => '/+blobs/' }, 'log' => { 'filter' => 'info' } },
  theme_source  => 'puppet:///modules/profile/theme',
  socket        => true,
  users         => { 'anna' => { 'password' => Sensitive(lookup('cheeseshop_team_password')) } },
  indexes       => { 'anna/dev' => { 'bases' => ['root/pypi'], 'acl_upload' => ['anna'], 'acl_read' => ['anna'] } },
  retentions    => {
    'anna-dev' => {
      'index'     => 'anna/dev',
      'rule'      => '--dev --older-than 90d --keep-last 3',
      'ca_bundle' => '/etc/ssl/corp-ca.pem',
    },
  },
}

class { 'cheeseshop::nginx':
  server_name         => 'packages.corp.example',
  http_port           => 31415,
  https_port          => 31443,
  certificate         => '/etc/nginx/shop.pem',
  certificate_content => file('/etc/ssl/certs/packages.corp.example.pem'),
  key                 => '/etc/nginx/shop.key',
  key_content         => Sensitive(file('/etc/ssl/private/packages.corp.example.key')),
  default_site        => true,
  immutable_accounts  => true,
  send_files          => true,
}
