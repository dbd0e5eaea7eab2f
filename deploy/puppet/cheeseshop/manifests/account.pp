# @summary User and group of the service.
#
# @api private
class cheeseshop::account {
  assert_private()
  include cheeseshop::install

  # The package makes the user `cheeseshop` by itself, unless there is one; any other has to be there before.
  $is_given = $cheeseshop::uid =~ Integer or $cheeseshop::gid =~ Integer
  $is_other = $cheeseshop::user != 'cheeseshop' or $cheeseshop::group != 'cheeseshop' or $cheeseshop::home != '/var/lib/cheeseshop'
  if $is_given or $is_other or $cheeseshop::install::install_method != 'package' {
    group { $cheeseshop::group:
      ensure => present,
      gid    => $cheeseshop::gid,
      system => true,
    }
    user { $cheeseshop::user:
      ensure     => present,
      uid        => $cheeseshop::uid,
      gid        => $cheeseshop::group,
      home       => $cheeseshop::home,
      managehome => false,
      shell      => '/usr/sbin/nologin',
      system     => true,
      comment    => 'Python package index',
    }
  }
}
