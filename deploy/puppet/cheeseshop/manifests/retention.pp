# @summary Old releases go from an index by a rule, every night.
#
# The job uses a token, made by `root_password` of class `cheeseshop`, that may read that index, remove from it, and
# nothing else.
#
# @example Development versions of three months ago go, but for the three newest of each project
#   cheeseshop::retention { 'team-dev':
#     index => 'team/dev',
#     rule  => '--dev --older-than 90d --keep-last 3',
#   }
#
# @param index
#   The index.
#
# @param rule
#   Options of `cheeseshop clean`. `cheeseshop clean --dry-run` shows what would go.
#
# @param ensure
#   Whether there is such a rule. `absent` ends its token too.
#
# @param user
#   Whose token it is. Default: the owner of the index.
#
# @param expires
#   How long a token holds. It is renewed 30 days before its end.
#
# @param ca_bundle
#   A PEM file of the authorities to trust, where those of the system do not vouch for the URL that users see.
#
# @param on_calendar
#   When, as `OnCalendar=` of systemd has it. Default: at night.
define cheeseshop::retention (
  Cheeseshop::Index $index,
  Pattern[/\A--[A-Za-z0-9 ._=-]+\z/] $rule,
  Enum['present', 'absent'] $ensure = 'present',
  String[1] $expires = '1 year',
  Optional[Cheeseshop::Username] $user = undef,
  Optional[Stdlib::Absolutepath] $ca_bundle = undef,
  Optional[Pattern[/\A[^\r\n]+\z/]] $on_calendar = undef,
) {
  include cheeseshop

  if $title !~ /\A[A-Za-z0-9][A-Za-z0-9_-]*\z/ {
    fail("cheeseshop::retention: ${title} is no name of a rule: letters, digits, - and _")
  }

  $is_there = $ensure == 'present'
  $file = stdlib::ensure($is_there, 'file')
  $folder = '/etc/cheeseshop/retention'
  $timer = "cheeseshop-retention@${title}.timer"

  ensure_resource('file', $folder, {
      'ensure'  => 'directory',
      'owner'   => 'root',
      'group'   => $cheeseshop::group,
      'mode'    => '0750',
      'require' => Class['cheeseshop::config'],
  })

  file { "${folder}/${title}.conf":
    ensure  => $file,
    owner   => 'root',
    group   => 'root',
    mode    => '0644',
    content => epp('cheeseshop/retention.conf.epp', {
        'url'       => "${cheeseshop::puppet_url}${index}",
        'rule'      => $rule,
        'ca_bundle' => $ca_bundle,
    }),
    before  => Service[$timer],
  }

  cheeseshop_token { "retention ${title}":
    ensure  => $ensure,
    user    => pick($user, $index.split('/')[0]),
    path    => "${folder}/${title}.token",
    indexes => [$index],
    allowed => ['pkg_read', 'del_verdata', 'del_project'],
    expires => $expires,
    before  => Service[$timer],
    require => Class['cheeseshop::service'],
  }

  cheeseshop::drop_in { $timer:
    ensure  => stdlib::ensure($on_calendar !~ Undef and $is_there, 'file'),
    unit    => $timer,
    content => epp('cheeseshop/timer.conf.epp', { 'on_calendar' => $on_calendar }),
    notify  => Service[$timer],
  }

  service { $timer:
    ensure  => stdlib::ensure($is_there, 'service'),
    enable  => $is_there,
    require => Exec['cheeseshop units'],
  }
}
