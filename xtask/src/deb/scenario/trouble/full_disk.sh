# The disk is full when the new version wants to copy the database: that is said, nothing is changed, and with room
# the server comes up.
systemctl stop cheeseshop.service
mv /var/lib/cheeseshop /var/lib/moved
install -d -m 750 -o cheeseshop -g cheeseshop /var/lib/cheeseshop
mount -t tmpfs -o size=32m,mode=750,uid=cheeseshop,gid=cheeseshop tmpfs /var/lib/cheeseshop
cp -a /var/lib/moved/. /var/lib/cheeseshop
rm -r /var/lib/moved
systemctl start cheeseshop.service
wait_for 'an answer from the other disk' answers
make_database_older
before=$(newest_migration 'mode=ro')
dd if=/dev/zero of=/var/lib/cheeseshop/filler bs=64k status=none 2> /dev/null || :
apt install --reinstall "$THIS" < /dev/null > "$state/full" 2>&1
cat "$state/full"
expect 'the installed version' "$(installed_version)" "ii $VERSION"
grep -q '^error: .*the backup before the migration cannot be made.*no space is left' "$state/full" ||
    fail 'apt does not say why the server does not start'
answers && fail 'a server without room for a copy answers'
# Nothing can be made beside it now.
expect 'the newest migration' "$(newest_migration 'immutable=1')" "$before"
rm /var/lib/cheeseshop/filler
apt install --reinstall "$THIS" < /dev/null
wait_for 'an answer with room' answers
expect 'the newest migration with room' "$(newest_migration 'mode=ro')" "$(cat /usr/share/cheeseshop/schema)"
find /var/lib/cheeseshop/backups -name 'before-migration-*.db' | grep -q . || fail 'there is no copy'
