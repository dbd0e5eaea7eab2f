# @summary A machine whose pip, uv, twine and devpi use the index.
#
# @example
#   class { 'cheeseshop::client':
#     url            => 'https://packages.corp.example/',
#     index          => 'shared/stable',
#     ca_certificate => file('profile/corp-ca.pem'),
#   }
#
# @param url
#   The server. Without a login: everybody on the machine reads the files that it gets into. `~/.netrc` is the place.
#
# @param ensure
#   Whether it is so. `absent` takes away what this class has written, and leaves the program.
#
# @param index
#   The index to install from, where nobody says another one.
#
# @param ca_certificate
#   The certificate of the authority that signed the server's, where that is the company's own.
#
# @param ca_directory
#   Where the system looks for more authorities.
#
# @param ca_command
#   What makes the system see them.
#
# @param ca_bundle
#   The file with all that the system trusts.
#
# @param manage_pip
#   Whether `/etc/pip.conf` is written.
#
# @param manage_uv
#   Whether `/etc/uv/uv.toml` is written.
#
# @param uv_certificates
#   With `ca_certificate`: the setting by which uv trusts what the system trusts. Since 0.11 that is `system-certs`, and
#   `native-tls` with a warning; older ones know `native-tls` only and refuse a file with another one. `auto`: what the
#   uv on the machine's search path understands, else that of today's.
#
# @param manage_devpi_use
#   Whether shells of logins know where the server is, for `devpi_use` and `cheeseshop env`.
#
# @param manage_program
#   Whether the program `cheeseshop` is installed, as `cheeseshop::install` says.
#
# @param pip_settings
#   More lines of `[global]` in `/etc/pip.conf`.
class cheeseshop::client (
  Stdlib::HTTPUrl $url,
  Stdlib::Absolutepath $ca_directory,
  Stdlib::Absolutepath $ca_command,
  Stdlib::Absolutepath $ca_bundle,
  Enum['present', 'absent'] $ensure = 'present',
  Cheeseshop::Index $index = 'root/pypi',
  Optional[Pattern[/\A-----BEGIN CERTIFICATE-----/]] $ca_certificate = undef,
  Boolean $manage_pip = true,
  Boolean $manage_uv = true,
  Enum['auto', 'native-tls', 'system-certs'] $uv_certificates = 'auto',
  Boolean $manage_devpi_use = true,
  Boolean $manage_program = true,
  Hash[Pattern[/\A[a-z][a-z0-9-]*\z/], Variant[Integer, Pattern[/\A[^\r\n]*\z/]]] $pip_settings = {},
) {
  cheeseshop::without_login('cheeseshop::client::url', $url, '~/.netrc of whoever needs one is the place')

  $file = stdlib::ensure($ensure == 'present', 'file')

  if $manage_program and $ensure == 'present' {
    contain cheeseshop::install
  }

  $server = $url.regsubst('/*\z', '/')
  $simple = "${server}${index}/+simple/"

  $bundle = $ca_certificate ? {
    undef   => undef,
    default => $ca_bundle,
  }

  $uv_version = pick($facts['cheeseshop_uv'], '999')
  $understood = versioncmp($uv_version, '0.11.0') < 0 ? {
    true    => 'native-tls',
    default => 'system-certs',
  }
  $system = [$ca_certificate, $uv_certificates] ? {
    [Undef, Any]  => undef,
    [Any, 'auto'] => $understood,
    default       => $uv_certificates,
  }

  File {
    owner => 'root',
    group => 'root',
    mode  => '0644',
  }

  if $ca_certificate {
    file { "${ca_directory}/cheeseshop.crt":
      ensure  => $file,
      content => $ca_certificate,
    }
    ~> exec { 'cheeseshop authorities':
      command     => $ca_command,
      refreshonly => true,
    }
  }

  if $manage_pip {
    file { '/etc/pip.conf':
      ensure  => $file,
      content => epp('cheeseshop/pip.conf.epp', {
          'simple'   => $simple,
          'bundle'   => $bundle,
          'settings' => $pip_settings,
      }),
    }
  }

  if $manage_uv {
    if $ensure == 'present' {
      file { '/etc/uv':
        ensure => directory,
        mode   => '0755',
      }
    }
    file { '/etc/uv/uv.toml':
      ensure  => $file,
      content => epp('cheeseshop/uv.toml.epp', { 'simple' => $simple, 'system' => $system }),
    }
  }

  if $manage_devpi_use {
    file { '/etc/profile.d/cheeseshop-server.sh':
      ensure  => $file,
      content => epp('cheeseshop/profile.sh.epp', { 'server' => $server }),
    }
  }
}
