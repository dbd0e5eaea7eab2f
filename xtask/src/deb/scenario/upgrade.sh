# The next version: the database is copied, then brought up to date; what was uploaded and configured stays.
# With the socket in systemd's hands nobody who connects meanwhile is refused.
serial() {
    curl --silent --fail "$server/+status" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["serial"])'
}

systemctl stop cheeseshop.service
systemctl enable --now --quiet cheeseshop.socket
systemctl start cheeseshop.service
wait_for 'an answer through the socket' answers
systemctl start cheeseshop-retention@example.timer
echo '# of this machine' >> /etc/default/cheeseshop
before=$(serial)

# The made-up release before this one has its program, so the database has to be made older by hand.
systemctl stop cheeseshop.service
python3 - /var/lib/cheeseshop/cheeseshop.db /packages/newest-migration.sql << 'PYTHON'
import re, sqlite3, sys

database = sqlite3.connect(sys.argv[1])
migration = re.sub(r"--[^\n]*", "", open(sys.argv[2]).read())
for statement in filter(None, map(str.strip, migration.split(";"))):
    if table := re.match(r"CREATE TABLE (\w+)", statement):
        database.execute(f"DROP TABLE {table[1]}")
    elif column := re.match(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", statement):
        database.execute(f"ALTER TABLE {column[1]} DROP COLUMN {column[2]}")
    elif not re.match(r"CREATE (UNIQUE )?INDEX", statement):
        sys.exit(f"how is this undone? {statement}")
database.execute("DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)")
database.commit()
PYTHON

apt install "$THIS" < /dev/null
wait_for 'an answer of the new version' answers
expect 'the installed version' "$(installed_version)" "ii $VERSION"
expect 'the service' "$(systemctl is-active cheeseshop.service)" active
expect 'the timer of backups, which was enabled' "$(systemctl is-active cheeseshop-backup.timer || :)" active
expect 'the timer of garbage' "$(systemctl is-active cheeseshop-gc.timer || :)" active
copy=$(find /var/lib/cheeseshop/backups -name 'before-migration-*.db')
[ -n "$copy" ] || fail 'the database was not copied before it was changed'
expect 'the copy' "$(stat --format='%U' "$copy")" cheeseshop
expect 'the newest migration' "$(python3 -c "
import sqlite3
database = sqlite3.connect('file:/var/lib/cheeseshop/cheeseshop.db?mode=ro', uri=True)
print(database.execute('SELECT max(name) FROM schema_migrations').fetchone()[0])")" \
    "$(cat /usr/share/cheeseshop/schema)"
after=$(serial)
[ "$after" -ge "$before" ] || fail "the log of changes has shrunk from $before to $after"
grep -q '^# of this machine$' /etc/default/cheeseshop || fail 'a changed conffile was replaced'
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
