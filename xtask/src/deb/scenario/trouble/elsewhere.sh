# Purging empties a disk that is mounted where the data is, and a folder that a link leads to.
apt purge cheeseshop < /dev/null
expect 'what purging leaves on the disk' "$(ls -A /var/lib/cheeseshop)" ''
umount /var/lib/cheeseshop
rmdir /var/lib/cheeseshop

# systemd takes no link there, and that is told; what somebody has led elsewhere all the same is not forgotten.
mkdir /srv/shop
ln -s /srv/shop /var/lib/cheeseshop
apt install "$THIS" < /dev/null > "$state/link" 2>&1
cat "$state/link"
grep -q STATE_DIRECTORY "$state/link" || fail 'nobody is told that a link is not taken'
echo data > /srv/shop/data
apt purge cheeseshop < /dev/null
expect 'what purging leaves behind a link' "$(ls -A /srv/shop)" ''
[ ! -L /var/lib/cheeseshop ] || fail 'the link is left'
