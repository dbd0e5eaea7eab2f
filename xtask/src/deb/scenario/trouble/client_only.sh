# An older version is refused also while the server is stopped; where there is no database it may come.
apt install "$THIS" < /dev/null
wait_for 'an answer' answers
systemctl disable --now --quiet cheeseshop.service cheeseshop-gc.timer
apt install --allow-downgrades "$PREVIOUS" < /dev/null > "$state/downgrade" 2>&1 &&
    fail 'a version that cannot read the database was installed'
expect 'the installed version' "$(installed_version)" "ii $VERSION"
find /var/lib/cheeseshop -mindepth 1 -delete
apt install --allow-downgrades "$PREVIOUS" < /dev/null
expect 'the installed version' "$(installed_version)" "ii $PREVIOUS_VERSION"
expect 'the service' "$(systemctl is-active cheeseshop.service || :)" inactive
