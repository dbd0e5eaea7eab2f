# @summary The program: from a package, or as a file.
#
# Used by `cheeseshop` and `cheeseshop::client`. Where its parameters are needed, give them in Hiera or declare
# this class before those.
#
# @example A package that lies on the machine
#   class { 'cheeseshop::install':
#     package_source => '/opt/cheeseshop.deb',
#   }
#
# @param install_method
#   `package` (the default on Debian and Ubuntu), `binary`, or `none`: somebody else installs it.
#
# @param package_name
#   The name of the package.
#
# @param package_ensure
#   `installed`, `latest` or a version.
#
# @param package_source
#   A package file on the machine in place of a repository. Its dependencies come from the repositories.
#
# @param binary_source
#   With `binary`: where the program is, as `file` takes it: `puppet:///…`, `https://…` or a path.
class cheeseshop::install (
  Enum['package', 'binary', 'none'] $install_method,
  String[1] $package_name,
  String[1] $package_ensure,
  Optional[Stdlib::Absolutepath] $package_source = undef,
  Optional[Stdlib::Filesource] $binary_source = undef,
) {
  case $install_method {
    'package': {
      package { $package_name:
        ensure => $package_ensure,
        source => $package_source,
      }
    }
    'binary': {
      if $binary_source =~ Undef {
        fail('cheeseshop::install: install_method binary needs a binary_source')
      }
      file { '/usr/bin/cheeseshop':
        ensure => file,
        source => $binary_source,
        owner  => 'root',
        group  => 'root',
        mode   => '0755',
      }
      file { '/usr/share/cheeseshop':
        ensure => directory,
        owner  => 'root',
        group  => 'root',
        mode   => '0755',
      }
      file { '/usr/share/cheeseshop/devpi_use.sh':
        ensure => file,
        owner  => 'root',
        group  => 'root',
        mode   => '0644',
        source => 'puppet:///modules/cheeseshop/devpi_use.sh',
      }
    }
    default: {}
  }
}
