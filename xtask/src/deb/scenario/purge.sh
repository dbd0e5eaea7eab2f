# Purging leaves nothing but the user and the backups.
rm /etc/nginx/sites-enabled/cheeseshop /etc/nginx/sites-available/cheeseshop
rm /etc/ssl/private/packages.test.key /etc/ssl/certs/packages.test.pem
rm /usr/local/share/ca-certificates/test.crt
sed -i '/packages\.test/d' /etc/hosts
[ -s /etc/hosts ] || rm /etc/hosts
update-ca-certificates --fresh > /dev/null 2>&1
rm -rf ~/.devpi ~/.config ~/.local
apt purge cheeseshop < /dev/null
rm /etc/apt/sources.list.d/cheeseshop.sources /etc/apt/keyrings/cheeseshop-archive-keyring.asc
systemctl stop repository.service
systemctl daemon-reload
systemctl reset-failed
files_of_the_system > "$state/after"
# Names that Debian's own tools leave behind when a user is made.
left=$(comm -13 "$state/before" "$state/after" | grep -vxE '/etc/(passwd|group|shadow|gshadow|subuid|subgid)-|/etc/\.pwd\.lock' || :)
grep -q '^/var/backups/cheeseshop/.*/cheeseshop.db$' <<< "$left" || fail 'purging has removed the backups'
left=$(grep -v '^/var/backups/cheeseshop' <<< "$left" || :)
expect 'what purging leaves' "$left" ''
expect 'what purging takes with it' "$(comm -23 "$state/before" "$state/after")" ''
getent passwd cheeseshop > /dev/null || fail 'the user is gone'
# One that others name in their After= is known, as one that is not found.
expect 'units that are left' \
    "$(systemctl list-units --all --no-legend --plain 'cheeseshop*' | grep -v ' not-found ' || :)" ''
