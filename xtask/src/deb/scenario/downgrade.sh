# A version that cannot read the database is refused before anything is touched.
if apt install --allow-downgrades "$PREVIOUS" < /dev/null > "$state/downgrade" 2>&1; then
    fail 'a version that is too old was installed'
fi
grep -q 'cannot read the database of version' "$state/downgrade" ||
    { cat "$state/downgrade"; fail 'the refusal does not say why'; }
expect 'the installed version' "$(installed_version)" "ii $VERSION"
wait_for 'an answer after the refusal' answers
expect 'the service' "$(systemctl is-active cheeseshop.service)" active
expect 'half-installed packages' "$(dpkg --audit)" ''
