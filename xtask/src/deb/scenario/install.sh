# The package on a clean system, from an apt repository: nothing asked, the service up, nothing open that should
# not be.
rm -f /etc/apt/sources.list
files_of_the_system > "$state/before"
getent passwd cheeseshop && fail 'the system is not clean'

ln -s "$REPOSITORY_BEFORE" "$state/debian"
systemd-run --quiet --unit=repository --working-directory="$state" python3 -m http.server 8001 --bind 127.0.0.1
wait_for 'the repository' curl --silent --fail http://127.0.0.1:8001/debian/cheeseshop.sources
curl --silent --fail --output /etc/apt/keyrings/cheeseshop-archive-keyring.asc \
    http://127.0.0.1:8001/debian/cheeseshop-archive-keyring.asc
sed 's|^URIs: .*|URIs: http://127.0.0.1:8001/debian/|' "$REPOSITORY_BEFORE/cheeseshop.sources" \
    > /etc/apt/sources.list.d/cheeseshop.sources
apt update > "$state/update" 2>&1
expect 'what apt says of the repository' "$(cat "$state/update")" ''
apt install cheeseshop < /dev/null
expect 'the installed version' "$(installed_version)" "ii $PREVIOUS_VERSION"

wait_for 'an answer of the server' answers
expect 'the service' "$(systemctl is-active cheeseshop.service)" active
expect 'the service at boot' "$(systemctl is-enabled cheeseshop.service)" enabled
expect 'the socket' "$(systemctl is-enabled cheeseshop.socket || :)" disabled
for timer in /lib/systemd/system/cheeseshop-*.timer; do
    case $timer in
        *@.timer) ;;
        */cheeseshop-backup.timer)
            expect "$timer" "$(systemctl is-enabled "${timer##*/}" || :)" disabled
            ;;
        *)
            expect "$timer" "$(systemctl is-enabled "${timer##*/}")" enabled
            expect "$timer" "$(systemctl is-active "${timer##*/}")" active
            ;;
    esac
done
expect 'failed units' "$(systemctl --failed --no-legend --plain)" ''

# Nobody reads what is not theirs.
expect 'the data' "$(mode_of /var/lib/cheeseshop)" '750 cheeseshop cheeseshop'
expect 'settings that may be secret' "$(mode_of /etc/cheeseshop/conf.d)" '750 root cheeseshop'
expect 'the rules of retention' "$(mode_of /etc/cheeseshop/retention)" '750 root cheeseshop'
open_files=$(find /var/lib/cheeseshop -type f -perm /007)
expect 'data open to everybody' "$open_files" ''
expect 'the shell of the user' "$(getent passwd cheeseshop | cut -d: -f6,7)" \
    '/var/lib/cheeseshop:/usr/sbin/nologin'
# Only this machine is listened to.
listening=$(ss --no-header --listening --tcp --numeric | awk '{ print $4 }' | grep ':3141$')
expect 'what is listened on' "$listening" '127.0.0.1:3141'

# The password of the first start is in no log.
if journalctl --no-pager --output=cat | grep -i 'with the password: '; then
    fail 'the journal holds the password of root'
fi

man_page=$(find /usr/share/man/man1 -name 'cheeseshop.1*')
[ -n "$man_page" ] || fail 'there is no manual page'
bash -lc 'type devpi_use >/dev/null && ! type devpi 2>/dev/null' ||
    fail 'a login shell has no devpi_use, or more than that'
found=$(su --login --command 'cd /tmp && WORKSPACE=/tmp devpi_use root/pypi --server http://127.0.0.1:3141 >/dev/null &&
    echo "$PIP_INDEX_URL"')
expect 'the index that devpi_use has chosen' "$found" "$server/root/pypi/+simple/"
rm -rf /tmp/.devpi
