# The power fails while dpkg works: the server runs on, nothing is lost, and doing it again mends it.

# dies_at COMMAND: dpkg and its script die when that calls the command.
dies_at() {
    printf '#!/bin/sh\nkill -KILL $(pidof dpkg) $PPID\n' > "/usr/local/sbin/$1"
    chmod 755 "/usr/local/sbin/$1"
    if dpkg --install "$THIS" > "$state/died" 2>&1; then
        fail 'dpkg was not interrupted'
    fi
    rm "/usr/local/sbin/$1"
    [ -n "$(dpkg --audit)" ] || fail 'dpkg does not know that it was interrupted'
    answers || fail 'the server does not outlive an interrupted upgrade'
}
changes() {
    curl --silent --fail "$server/+status" | sed 's/.*"serial": *\([0-9]*\).*/\1/'
}
before=$(changes)

# The new files are there, the postinst is at work.
dies_at systemd-sysusers
running=$(systemctl show --property=MainPID --value cheeseshop.service)
dpkg --configure --pending > /dev/null
expect 'the installed version' "$(installed_version)" "ii $VERSION"
wait_for 'an answer of the new program' answers
[ "$(systemctl show --property=MainPID --value cheeseshop.service)" != "$running" ] || fail 'the old program still runs'

# Nothing has been unpacked yet, the preinst is at work.
dies_at cat
dpkg --configure --pending > /dev/null
apt install --reinstall "$THIS" < /dev/null
expect 'the installed version' "$(installed_version)" "ii $VERSION"
expect 'half-installed packages' "$(dpkg --audit)" ''
wait_for 'an answer after the second time' answers
expect 'the changes that are recorded' "$(changes)" "$before"
