# Settings that somebody has changed, and the new version as well: without a terminal dpkg stops there. The server
# goes on, and the upgrade too once it is said whose file stays.
echo '# of this machine' >> /etc/cheeseshop/cheeseshop.toml
running=$(systemctl show --property=MainPID --value cheeseshop.service)
if apt install "$THIS" < /dev/null > "$state/asked" 2>&1; then
    fail 'nobody was asked about changed settings'
fi
grep -q 'conffile prompt' "$state/asked" || { cat "$state/asked"; fail 'something else went wrong'; }
answers || fail 'the server does not outlive the question'
expect 'the server' "$(systemctl show --property=MainPID --value cheeseshop.service)" "$running"
dpkg --configure --pending --force-confold > /dev/null
expect 'the installed version' "$(installed_version)" "ii $VERSION"
grep -q '^# of this machine$' /etc/cheeseshop/cheeseshop.toml || fail 'changed settings were replaced'
[ -e /etc/cheeseshop/cheeseshop.toml.dpkg-dist ] || fail 'the settings of the new version are nowhere'
wait_for 'an answer of the new version' answers
[ "$(systemctl show --property=MainPID --value cheeseshop.service)" != "$running" ] || fail 'the old version still runs'
