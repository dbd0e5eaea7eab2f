# What systemd hears of the server, what it does about one that hangs, what it hands over, and a rule of
# retention.
status_text() {
    systemctl show --property=StatusText --value cheeseshop.service
}
expect 'the status' "$(status_text)" "listening on $server"

echo '[cache' > /etc/cheeseshop/conf.d/mistake.toml
# The signal is sent when this comes back, and not always heard already.
systemctl reload cheeseshop.service
tells_of_a_mistake() { [[ $(status_text) == *'those from before are in force' ]]; }
wait_for 'a word about the mistake' tells_of_a_mistake
rm /etc/cheeseshop/conf.d/mistake.toml
systemctl reload cheeseshop.service
is_well() { [ "$(status_text)" = "listening on $server" ]; }
wait_for 'the end of the mistake' is_well

# What root can read and the server cannot, root is told, with what mends it.
install -m 0600 /dev/null /etc/cheeseshop/conf.d/closed.toml
cheeseshop config check 2> "$state/closed" && fail 'nobody is told of settings that the server cannot read'
mend=$(sed -n 's|.*/closed.toml cannot be read by `cheeseshop` (mode 0600 of root:root): ||p' "$state/closed")
expect 'what mends it' "$mend" \
    'chgrp cheeseshop /etc/cheeseshop/conf.d/closed.toml && chmod g+r /etc/cheeseshop/conf.d/closed.toml'
bash -c "$mend"
cheeseshop config check
runuser -u cheeseshop -- cheeseshop config check
rm /etc/cheeseshop/conf.d/closed.toml

install -m 0600 /dev/stdin /etc/cheeseshop/proxy <<< 'http://somebody:secret@127.0.0.1:9'
printf '[mirror]\nproxy_file = "credential:proxy"\n' > /etc/cheeseshop/conf.d/proxy.toml
mkdir -p /etc/systemd/system/cheeseshop.service.d
cat > /etc/systemd/system/cheeseshop.service.d/test.conf <<'UNIT'
[Service]
WatchdogSec=3s
LoadCredential=proxy:/etc/cheeseshop/proxy
UNIT
systemctl daemon-reload
systemctl restart cheeseshop.service
wait_for 'an answer with a credential' answers
hanging=$(systemctl show --property=MainPID --value cheeseshop.service)
kill -STOP "$hanging"
is_another() {
    local now
    now=$(systemctl show --property=MainPID --value cheeseshop.service)
    [ "$now" != "$hanging" ] && [ "$now" != 0 ]
}
wait_for 'the end of a server that hangs' is_another
wait_for 'an answer of the server after it' answers
rm -r /etc/systemd/system/cheeseshop.service.d /etc/cheeseshop/conf.d/proxy.toml /etc/cheeseshop/proxy
systemctl daemon-reload
systemctl restart cheeseshop.service
wait_for 'an answer without the credential' answers

client=(--clientdir "$state/retention")
cheeseshop use "$server" "${client[@]}"
cheeseshop login team --password 'secret of team' "${client[@]}"
cheeseshop token-create -i team/dev -a pkg_read -a del_verdata -a del_project \
    -o /etc/cheeseshop/retention/team-dev.token "${client[@]}"
printf 'INDEX=%s/team/dev\nRULE=--dev --older-than 90d --keep-last 3\n' "$server" \
    > /etc/cheeseshop/retention/team-dev.conf
systemctl start cheeseshop-retention@team-dev.service
journalctl --quiet --unit=cheeseshop-retention@team-dev.service --output=cat > "$state/retained"
grep -q '^there is nothing to remove$' "$state/retained" || fail 'the rule says nothing'
rm /etc/cheeseshop/retention/team-dev.*

# A unit of `gen-config` with words that mean something to systemd: they arrive as they are.
odd=$'/srv/my "$HOME" %h ; \\n\ta\nb'
cheeseshop --data-dir "$odd" --set server.listen=unix:/run/odd.sock gen-config systemd --user root \
    --output /etc/systemd/system/odd.service
systemctl daemon-reload
systemctl start odd.service
[ -f "$odd/cheeseshop.db" ] || fail "systemd has read another directory: $(ls /srv)"
expect 'the addresses that systemd keeps of it' \
    "$(systemctl show --property=NFileDescriptorStore --value odd.service)" 1
systemctl stop odd.service
rm -r "$odd" /run/odd.sock /etc/systemd/system/odd.service
systemctl daemon-reload
