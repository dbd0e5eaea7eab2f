# The next version: the database is copied, then brought up to date; what was uploaded and configured stays.
# systemd keeps the address, so nobody who connects meanwhile is refused.
serial() {
    curl --silent --fail "$server/+status" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["serial"])'
}

expect 'the socket' "$(systemctl is-active cheeseshop.socket || :)" inactive
systemctl start cheeseshop-retention@example.timer
echo '# of this machine' >> /etc/default/cheeseshop
before=$(serial)

# Jobs of timers hang meanwhile: they are stopped, and go on as the new program.
backups() {
    find /var/backups/cheeseshop -mindepth 1 -maxdepth 1 ! -name '.*' | wc --lines
}
hold_jobs
backups_before=$(backups)

# The made-up release before this one has its program. It runs meanwhile: one that is stopped stays so.
make_database_older

ln -sfn "$REPOSITORY" "$state/debian"
# Both were published within a second, which HTTP does not tell apart.
rm -r /var/lib/apt/lists
apt update
apt upgrade < /dev/null
wait_for 'an answer of the new version' answers
expect 'the installed version' "$(installed_version)" "ii $VERSION"
expect 'the service' "$(systemctl is-active cheeseshop.service)" active
expect 'the timer of backups, which was enabled' "$(systemctl is-active cheeseshop-backup.timer || :)" active
expect 'the timer of garbage' "$(systemctl is-active cheeseshop-gc.timer || :)" active
expect_no_held_job
went_on() {
    local unit
    for unit in cheeseshop-backup.service cheeseshop-gc.service cheeseshop-retention@example.service; do
        journalctl --quiet --output=cat --unit="$unit" | grep -qx 'goes on' || return 1
        [ "$(systemctl is-active "$unit" || :)" = inactive ] || return 1
    done
}
wait_for 'the rest of the jobs' went_on
expect_no_held_job
[ "$(backups)" -gt "$backups_before" ] || fail 'the backup that was interrupted has not been made'
forget_jobs
copy=$(find /var/lib/cheeseshop/backups -name 'before-migration-*.db')
[ -n "$copy" ] || fail 'the database was not copied before it was changed'
expect 'the copy' "$(stat --format='%U' "$copy")" cheeseshop
expect 'the newest migration' "$(newest_migration 'mode=ro')" "$(cat /usr/share/cheeseshop/schema)"
after=$(serial)
[ "$after" -ge "$before" ] || fail "the log of changes has shrunk from $before to $after"
grep -q '^# of this machine$' /etc/default/cheeseshop || fail 'a changed conffile was replaced'
grep -q 'Of the release before' /etc/cheeseshop/cheeseshop.toml && fail 'an unchanged conffile was not replaced'
installs_with_pip

# Under load, and all maintainer scripts once more.
running=$(systemctl show --property=MainPID --value cheeseshop.service)
(
    until [ -e "$state/upgraded" ]; do
        curl --silent --output /dev/null --max-time 60 --write-out '%{http_code}\n' "$server/+status" || echo refused
    done
) > "$state/answers" &
load=$!
apt install --reinstall "$THIS" < /dev/null
DPKG_MAINTSCRIPT_PACKAGE=cheeseshop DPKG_MAINTSCRIPT_NAME=postinst \
    /var/lib/dpkg/info/cheeseshop.postinst configure "$VERSION"
touch "$state/upgraded"
wait "$load"
[ "$(systemctl show --property=MainPID --value cheeseshop.service)" != "$running" ] ||
    fail 'the program that was replaced still runs'
echo "requests meanwhile: $(sort "$state/answers" | uniq --count | tr '\n' ' ')"
grep -q '^200$' "$state/answers" || fail 'nobody asked meanwhile'
expect 'requests that failed meanwhile' "$(grep -cv '^200$' "$state/answers" || :)" 0

# The same through the socket unit.
systemctl stop cheeseshop.service
systemctl enable --now --quiet cheeseshop.socket
systemctl start cheeseshop.service
wait_for 'an answer through the socket' answers

# What somebody has stopped stays so.
systemctl stop cheeseshop.socket
systemctl stop cheeseshop.service cheeseshop-gc.timer
apt install --reinstall "$THIS" < /dev/null
for unit in cheeseshop.service cheeseshop.socket cheeseshop-gc.timer; do
    expect "$unit, which was stopped by hand" "$(systemctl is-active "$unit" || :)" inactive
done
systemctl start cheeseshop.socket
systemctl start cheeseshop.service cheeseshop-gc.timer
wait_for 'an answer after it was started again' answers
