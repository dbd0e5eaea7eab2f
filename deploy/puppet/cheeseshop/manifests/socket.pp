# @summary The server's addresses in the hands of systemd, or no longer.
#
# @api private
class cheeseshop::socket {
  assert_private()

  $unit = 'cheeseshop.socket'
  $is_there = $cheeseshop::socket
  $service = "${cheeseshop::service_name}.service"

  $streams = $cheeseshop::addresses.map |$address| {
    $stream = $address.regsubst('\A(http://|unix:)', '').regsubst('\Alocalhost:', '127.0.0.1:')
    if $stream !~ /\A(\d+\.\d+\.\d+\.\d+:\d+|\[[0-9A-Fa-f:]+\]:\d+|\/.+)\z/ {
      fail("cheeseshop: systemd cannot listen on ${address} for `socket`; it takes numbers and no TLS (see docs/manual/service.md)")
    }
    $stream
  }
  $given_mode = $cheeseshop::settings.get('server.socket_mode', '600')

  cheeseshop::drop_in { $unit:
    ensure  => stdlib::ensure($is_there, 'file'),
    unit    => $unit,
    content => epp('cheeseshop/socket.conf.epp', {
        'streams' => $streams,
        'service' => $cheeseshop::service_name,
        'user'    => $cheeseshop::user,
        'group'   => $cheeseshop::group,
        'mode'    => "0${given_mode}",
    }),
  }

  if $is_there {
    # systemd opens no socket of a service that runs, and none anew.
    $stop = shellquote(['systemctl', 'stop', $unit, $service])
    exec {
      default:
        command => $stop,
        path    => ['/usr/bin', '/bin'],
        require => Exec['cheeseshop units'],
        before  => Service[$unit],
        ;
      'cheeseshop leaves its address to systemd':
        unless => "systemctl is-active --quiet ${unit}",
        ;
      'cheeseshop leaves its address for another one':
        refreshonly => true,
        subscribe   => Cheeseshop::Drop_in[$unit],
        ;
    }
    service { $unit:
      ensure  => running,
      enable  => true,
      # Whatever it is notified by: see above.
      restart => '/bin/true',
      before  => Service[$cheeseshop::service_name],
    }
  } else {
    # The server opens its addresses itself when it is started anew.
    service { $unit:
      ensure  => stopped,
      enable  => false,
      restart => '/bin/true',
      require => Exec['cheeseshop units'],
      notify  => Service[$cheeseshop::service_name],
    }
  }
}
