# Where nothing may be started, another program has the port, the shell keeps everything to itself, and this machine
# has neither a name nor a locale: installed, then told where to listen, here by IPv6, then started.
rm -f /etc/apt/sources.list
: > /etc/hosts
: > /etc/resolv.conf
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
systemd-run --quiet --unit=other --working-directory=/run python3 -m http.server 3141 --bind 127.0.0.1
wait_for 'the other program' curl --silent --fail "$server/"
(
    umask 077
    export LC_ALL=C LANG=C
    apt install "$PREVIOUS" < /dev/null
)
expect 'the installed version' "$(installed_version)" "ii $PREVIOUS_VERSION"
expect 'the service' "$(systemctl is-active cheeseshop.service || :)" inactive
expect 'the service at boot' "$(systemctl is-enabled cheeseshop.service)" enabled
expect 'the data' "$(mode_of /var/lib/cheeseshop)" '750 cheeseshop cheeseshop'
expect 'the settings' "$(mode_of /etc/cheeseshop)" '755 root root'
expect 'the backups' "$(mode_of /var/backups/cheeseshop)" '700 cheeseshop cheeseshop'
rm /usr/sbin/policy-rc.d

apt install --reinstall "$PREVIOUS" < /dev/null
expect 'a server that nobody has started' "$(systemctl is-active cheeseshop.service || :)" inactive
apt remove cheeseshop < /dev/null
apt install "$PREVIOUS" < /dev/null > "$state/busy" 2>&1
cat "$state/busy"
grep -q '^error: .*127.0.0.1:3141' "$state/busy" || fail 'it is not told which address is taken'
printf '[server]\nlisten = ["[::1]:3141"]\n' > /etc/cheeseshop/conf.d/listen.toml
(umask 077 && LC_ALL=C runuser -u cheeseshop -- cheeseshop config check)
systemctl restart cheeseshop.service
wait_for 'an answer by IPv6' curl --silent --fail 'http://[::1]:3141/+status'

systemctl stop other.service
rm /etc/cheeseshop/conf.d/listen.toml
systemctl restart cheeseshop.service
wait_for 'an answer where the other program was' answers
runuser -u cheeseshop -- cheeseshop passwd root <<< 'secret of root'
