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
  $file = stdlib::ensure($is_there, 'file')

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

  cheeseshop::drop_in {
    # Beside the file of class `cheeseshop`, which says as whom the job runs.
    'directory of backups':
      ensure    => $file,
      unit      => 'cheeseshop-backup.service',
      file_name => 'puppet-backup',
      content   => epp('cheeseshop/puppet.conf.epp', { 'writable' => [$directory] }),
      ;
    'time of backups':
      ensure  => stdlib::ensure($is_there and $on_calendar =~ String, 'file'),
      unit    => 'cheeseshop-backup.timer',
      content => epp('cheeseshop/timer.conf.epp', { 'on_calendar' => $on_calendar }),
      notify  => Service['cheeseshop-backup.timer'],
      ;
  }

  service { 'cheeseshop-backup.timer':
    ensure  => stdlib::ensure($is_there, 'service'),
    enable  => $is_there,
    require => [Class['cheeseshop::service'], Exec['cheeseshop units']],
  }
}
