# @summary Backups by the clock.
#
# @example
#   class { 'cheeseshop::backup':
#     directory => '/srv/backup/cheeseshop',
#     keep      => 30,
#   }
#
# @param directory
#   Where they go. Best on another disk.
#
# @param ensure
#   Whether they are made. `absent` removes no backup.
#
# @param keep
#   So many of the newest stay.
#
# @param keep_days
#   Those that are not older than so many days stay.
#
# @param on_calendar
#   When, as `OnCalendar=` of systemd has it. Default: what the package says, at night.
#
# @param mode
#   The mode of the directory.
class cheeseshop::backup (
  Stdlib::Absolutepath $directory,
  Enum['present', 'absent'] $ensure,
  Stdlib::Filemode $mode,
  Optional[Integer[1]] $keep = undef,
  Optional[Integer[1]] $keep_days = undef,
  Optional[Pattern[/\A[^\r\n]+\z/]] $on_calendar = undef,
) {
  include cheeseshop

  $is_there = $ensure == 'present'
  $file = $is_there ? {
    true    => file,
    default => absent,
  }
  $timer_file = ($is_there and $on_calendar =~ String) ? {
    true    => file,
    default => absent,
  }
  $state = $is_there ? {
    true    => running,
    default => stopped,
  }
  $units = '/etc/systemd/system'

  if $is_there {
    file { $directory:
      ensure  => directory,
      owner   => $cheeseshop::user,
      group   => $cheeseshop::group,
      mode    => $mode,
      require => Class['cheeseshop::install'],
    }
  }

  $settings = { 'directory' => $directory, 'keep' => $keep, 'keep_days' => $keep_days }.filter |$_key, $value| { $value !~ Undef }
  file { "${cheeseshop::config_dir}/conf.d/puppet-backup.toml":
    ensure  => $file,
    owner   => 'root',
    group   => $cheeseshop::group,
    mode    => '0640',
    content => epp('cheeseshop/cheeseshop.toml.epp', { 'settings' => { 'backup' => $settings } }),
    require => File["${cheeseshop::config_dir}/conf.d"],
  }

  ensure_resource('file', "${units}/cheeseshop-backup.service.d", {
      'ensure' => 'directory',
      'owner'  => 'root',
      'group'  => 'root',
      'mode'   => '0755',
  })
  file {
    default:
      owner => 'root',
      group => 'root',
      ;
    "${units}/cheeseshop-backup.timer.d":
      ensure  => directory,
      mode    => '0755',
      require => Class['cheeseshop::install'],
      ;
    # Beside the file of class `cheeseshop`, which says as whom the job runs.
    "${units}/cheeseshop-backup.service.d/puppet-backup.conf":
      ensure  => $file,
      mode    => '0644',
      content => epp('cheeseshop/puppet.conf.epp', {
          'environment'   => {},
          'user'          => $cheeseshop::user,
          'group'         => $cheeseshop::group,
          'is_other_user' => false,
          'writable'      => [$directory],
      }),
      notify  => Exec['cheeseshop units of backups'],
      ;
    "${units}/cheeseshop-backup.timer.d/puppet.conf":
      ensure  => $timer_file,
      mode    => '0644',
      content => epp('cheeseshop/timer.conf.epp', { 'on_calendar' => $on_calendar }),
      notify  => [Exec['cheeseshop units of backups'], Service['cheeseshop-backup.timer']],
      ;
  }

  exec { 'cheeseshop units of backups':
    command     => 'systemctl daemon-reload',
    path        => ['/usr/bin', '/bin'],
    refreshonly => true,
  }

  service { 'cheeseshop-backup.timer':
    ensure  => $state,
    enable  => $is_there,
    require => [Class['cheeseshop::service'], Exec['cheeseshop units of backups']],
  }
}
