# @summary The service.
#
# The unit is that of the package; what differs from it goes into a file beside it.
#
# @api private
class cheeseshop::service {
  assert_private()

  $proxies = {
    'http_proxy'  => $cheeseshop::http_proxy,
    'https_proxy' => $cheeseshop::https_proxy,
    'no_proxy'    => $cheeseshop::no_proxy,
  }.filter |$_name, $value| { $value !~ Undef }
  $elsewhere = $cheeseshop::config_dir ? {
    '/etc/cheeseshop' => {},
    default           => { 'CHEESESHOP_CONFIG' => $cheeseshop::config_file },
  }
  $environment = $proxies + $elsewhere + $cheeseshop::environment

  # The unit has a place of its own there, and may write nowhere else.
  $places = [
    $cheeseshop::data_dir,
    $cheeseshop::stored.get('path'),
    $cheeseshop::stored.get('spool_dir'),
    $cheeseshop::settings.get('blobs.path'),
    $cheeseshop::settings.get('blobs.spool_dir'),
  ]
  $writable = $places.unique.filter |$path| { $path !~ Undef and $path !~ /\A\/var\/lib\/cheeseshop(\/|\z)/ }
  $is_other_user = $cheeseshop::user != 'cheeseshop' or $cheeseshop::group != 'cheeseshop'
  $differs = !$environment.empty or !$writable.empty or $is_other_user
  $units = '/etc/systemd/system'

  # The jobs of the timers run as the service does.
  $run_as = $is_other_user ? {
    true    => { 'user' => $cheeseshop::user, 'group' => $cheeseshop::group },
    default => {},
  }
  ['cheeseshop-backup', 'cheeseshop-gc', $cheeseshop::service_name].each |$unit| {
    cheeseshop::drop_in { $unit:
      ensure  => stdlib::ensure($differs, 'file'),
      unit    => "${unit}.service",
      content => epp('cheeseshop/puppet.conf.epp', { 'environment' => $environment, 'writable' => $writable } + $run_as),
    }
  }
  Cheeseshop::Drop_in[$cheeseshop::service_name] ~> Service[$cheeseshop::service_name]

  # What the package would have brought.
  if $cheeseshop::install::install_method == 'binary' {
    $timers = ['cheeseshop-backup', 'cheeseshop-gc'].map |$job| { ["${job}.service", "${job}.timer"] }.flatten
    $more = ['cheeseshop.service', 'cheeseshop.socket', 'cheeseshop-retention@.service', 'cheeseshop-retention@.timer']
    ($more + $timers).each |$unit| {
      file { "${units}/${unit}":
        ensure => file,
        owner  => 'root',
        group  => 'root',
        mode   => '0644',
        source => "puppet:///modules/cheeseshop/${unit}",
        notify => Exec['cheeseshop units'],
      }
    }
    # A package restarts the service when it is upgraded; here nobody else does.
    File["${units}/cheeseshop.service", '/usr/bin/cheeseshop'] ~> Service[$cheeseshop::service_name]
    service { 'cheeseshop-gc.timer':
      ensure  => running,
      enable  => true,
      require => Exec['cheeseshop units'],
    }
  }

  # Puppet's own look at whether systemd has to read its files again does not see a first drop-in.
  exec { 'cheeseshop units':
    command     => 'systemctl daemon-reload',
    path        => ['/usr/bin', '/bin'],
    refreshonly => true,
    before      => Service[$cheeseshop::service_name],
  }
  service { $cheeseshop::service_name:
    ensure => $cheeseshop::service_ensure,
    enable => $cheeseshop::service_enable,
  }

  if $cheeseshop::socket !~ Undef {
    contain cheeseshop::socket
  }
}
