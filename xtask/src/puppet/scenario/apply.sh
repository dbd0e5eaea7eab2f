# The example of the README on a clean system: told, done, and then nothing any more.
told=$(puppet_apply "$state/noop-1.log" --noop)
expect 'the exit code of a dry run' "$told" 0
for resource in 'Package[cheeseshop]/ensure' 'Package[nginx]/ensure' 'Service[cheeseshop]/ensure' \
    'File[/etc/cheeseshop/cheeseshop.toml]/ensure' 'File[/etc/cheeseshop/root.password]/ensure' \
    'Exec[cheeseshop gen-config /etc/nginx/conf.d/cheeseshop.conf]/returns' 'Cheeseshop_user[team]/ensure' \
    'Cheeseshop_layout[team]/ensure' 'Cheeseshop_token[jenkins]/ensure' 'File[/etc/pip.conf]/ensure'; do
    would_change "$state/noop-1.log" "$resource"
done
getent passwd cheeseshop && fail 'a dry run has made a user'
[ ! -e /etc/pip.conf ] && [ ! -e /etc/cheeseshop ] || fail 'a dry run has written a file'

expect 'the exit code of the first run' "$(puppet_apply "$state/apply-1.log")" 2
# The server begins with the password that Puppet has, and no other one was ever made up.
not_told "$state/noop-1.log" 'Exec[cheeseshop password of root]'
not_told "$state/apply-1.log" 'Exec[cheeseshop password of root]'
[ ! -e /var/lib/cheeseshop/root-password ] || fail 'a password was made up'
journalctl --no-pager --unit=cheeseshop > "$state/journal.log"
not_told "$state/journal.log" 'root-password'

expect 'the exit code of the second run' "$(puppet_apply "$state/apply-2.log")" 0
told_nothing "$state/apply-2.log"
puppet_apply "$state/noop-2.log" --noop > /dev/null
told_nothing "$state/noop-2.log"

expect 'the service' "$(systemctl is-active cheeseshop)" active
expect 'nginx' "$(systemctl is-active nginx)" active
expect 'the timer of backups' "$(systemctl is-active cheeseshop-backup.timer)" active
expect 'failed units' "$(systemctl --failed --no-legend --plain)" ''
expect 'settings' "$(mode_of /etc/cheeseshop/cheeseshop.toml)" '640 root cheeseshop'
expect 'the password of root' "$(mode_of /etc/cheeseshop/root.password)" '600 root root'
expect 'the token' "$(mode_of /etc/cheeseshop-jenkins.token)" '600 root root'
expect 'a redirect' "$(curl --silent --output /dev/null --write-out '%{http_code} %{redirect_url}' "http://$site_name/team/dev/")" \
    "301 https://$site_name/team/dev/"

# No secret in what the runs have said, in Puppet's reports, in what others may read.
if grep -rl topsecret "$state"/*.log /var/cache/puppet /var/lib/puppet 2>/dev/null; then
    fail 'a password is in the above'
fi
if grep -rF "$(cat /etc/cheeseshop-jenkins.token)" "$state"/*.log /var/cache/puppet /var/lib/puppet 2>/dev/null; then
    fail 'a token is in the above'
fi
