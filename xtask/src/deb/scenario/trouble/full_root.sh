# The root file system is full while dpkg unpacks the new version: the old program serves on, nothing is lost, and with room
# the upgrade succeeds. The last step: what is mounted here stays.

# One small disk for all that dpkg and the server write to, which is as large as what is on it.
disk=/srv/disk
systemctl stop cheeseshop.service
mkdir -p "$disk"
mount -t tmpfs -o size=2g tmpfs "$disk"
for folder in usr/bin var; do
    mkdir -p "$disk/$folder"
    cp --archive "/$folder/." "$disk/$folder"
    mount --bind "$disk/$folder" "/$folder"
done
# leave_room KIBIBYTES
leave_room() {
    mount -o "remount,size=$(($(df --output=used -k "$disk" | tail -n 1) + $1))k" "$disk"
}

systemctl enable --now --quiet cheeseshop.service cheeseshop-gc.timer
wait_for 'an answer on the small disk' answers
runuser -u cheeseshop -- cheeseshop passwd root <<< 'secret of root'
as_root() {
    curl --silent --user 'root:secret of root' --output /dev/null --write-out '%{http_code}' "$@"
}
is_200() { [ "$(as_root "$@")" = 200 ]; }
wait_for 'an index' is_200 --request PUT --json '{}' "$server/root/dev"
# publish VERSION -> what the server answers
publish() {
    local wheel=$state/full_root-$1-py3-none-any.whl
    make_wheel "$wheel" "VERSION = '$1'"
    as_root --form ':action=file_upload' --form name=full-root --form "version=$1" --form filetype=bdist_wheel \
        --form pyversion=py3 --form metadata_version=2.1 --form "content=@$wheel" "$server/root/dev/"
}
expect 'an upload' "$(publish 1.0)" 200
make_database_older
before=$(newest_migration 'mode=ro')

# serves_on: the same process, with what was uploaded.
running=$(systemctl show --property=MainPID --value cheeseshop.service)
serves_on() {
    expect 'the server' "$(systemctl show --property=MainPID --value cheeseshop.service)" "$running"
    expect 'what was uploaded' "$(curl --silent --fail "$server/root/dev/+simple/full-root/" | grep -c '<a ')" 1
    expect 'the file' "$(as_root --location "$(file_of 1.0)")" 200
    expect 'the newest migration' "$(newest_migration 'mode=ro')" "$before"
}
file_of() {
    curl --silent --fail --header 'Accept: application/vnd.pypi.simple.v1+json' "$server/root/dev/+simple/full-root/" |
        python3 -c '
import json, sys, urllib.parse
print(urllib.parse.urljoin(sys.argv[1], json.load(sys.stdin)["files"][0]["url"]))' "$server/root/dev/+simple/full-root/"
}

# No room at all, room for the notes of dpkg, and for one half of the program.
for room in 0 1024 $(($(stat --format=%s /usr/bin/cheeseshop) / 2048)); do
    leave_room "$room"
    if [ "$room" = 0 ]; then
        expect 'an upload on a full disk' "$(publish 2.0)" 507
    fi
    if dpkg --install "$THIS" > "$state/full-root" 2>&1; then
        fail "the upgrade has found room where there is none ($room)"
    fi
    grep -i 'no space left on device' "$state/full-root" || { cat "$state/full-root"; fail 'dpkg failed for another reason'; }
    serves_on
done

leave_room 500000
dpkg --configure --pending > /dev/null
apt install "$THIS" < /dev/null
expect 'the installed version' "$(installed_version)" "ii $VERSION"
expect 'half-installed packages' "$(dpkg --audit)" ''
expect 'what is left of the attempts' "$(find /usr/bin /etc -name '*.dpkg-new' -o -name '*.dpkg-tmp')" ''
wait_for 'an answer of the new program' answers
[ "$(systemctl show --property=MainPID --value cheeseshop.service)" != "$running" ] || fail 'the old program still runs'
expect 'the newest migration with room' "$(newest_migration 'mode=ro')" "$(cat /usr/share/cheeseshop/schema)"
expect 'the file after the upgrade' "$(as_root --location "$(file_of 1.0)")" 200
expect 'an upload with room' "$(publish 2.0)" 200
