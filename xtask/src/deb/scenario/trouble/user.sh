# Data from a machine where the user had another number, or whose user somebody has removed: its own again.
systemctl stop cheeseshop.service
userdel cheeseshop
chown -R 4711:4711 /var/lib/cheeseshop
apt install --reinstall "$THIS" < /dev/null
getent passwd cheeseshop > /dev/null || fail 'the user has not come back'
expect 'the data of others' "$(find /var/lib/cheeseshop ! -user cheeseshop)" ''
systemctl start cheeseshop.service
wait_for 'an answer with the new user' answers

# What is somebody else's stays so.
mkdir /var/backups/cheeseshop/of-nginx
chown www-data /var/backups/cheeseshop/of-nginx
apt install --reinstall "$THIS" < /dev/null
expect 'the file of another user' "$(stat --format=%U /var/backups/cheeseshop/of-nginx)" www-data
rmdir /var/backups/cheeseshop/of-nginx
wait_for 'an answer with the new user' answers
