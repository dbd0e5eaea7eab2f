# Removing stops the service and the jobs of timers, and keeps what was uploaded and configured; installing again goes on
# with it.
systemctl enable --now --quiet cheeseshop-retention@example.timer
hold_jobs
apt remove cheeseshop < /dev/null > "$state/removal" 2>&1
cat "$state/removal"
grep -q 'can still be activated' "$state/removal" && fail 'the socket outlives the service'
expect 'timers that are left' "$(systemctl list-timers --no-legend 'cheeseshop*')" ''
expect_no_held_job
forget_jobs
answers && fail 'the server answers although its package is removed'
[ -z "$(ss --no-header --listening --tcp --numeric 'sport = :3141')" ] || fail 'the port is still open'
[ -s /var/lib/cheeseshop/cheeseshop.db ] || fail 'the data went with the package'
[ -s /etc/cheeseshop/conf.d/site.toml ] || fail 'the settings went with the package'
bash -lc ':' 2>&1 | grep . && fail 'login shells complain'
expect 'failed units' "$(systemctl --failed --no-legend --plain)" ''

apt install "$THIS" < /dev/null
expect 'the socket, which was enabled before' "$(systemctl is-active cheeseshop.socket || :)" active
for timer in cheeseshop-gc.timer cheeseshop-backup.timer cheeseshop-retention@example.timer; do
    expect "$timer, which was enabled before" "$(systemctl is-active "$timer" || :)" active
done
wait_for 'an answer after installing again' answers
installs_with_pip
