# What the steps share. Each step is run by bash -euo pipefail in the clean Debian, with this in front.
# PREVIOUS, THIS, DEVPI: the package files. VERSION, PREVIOUS_VERSION: their versions.
# REPOSITORY_BEFORE, REPOSITORY: an apt repository without and with the new version.

server=http://127.0.0.1:3141
site=https://packages.test
state=/run/test
mkdir -p "$state"

# systemd counts starts: in a test there are as many in a minute as elsewhere in a year.
systemctl reset-failed 'cheeseshop*' 2>/dev/null || :

fail() {
    trap - ERR
    echo "FAILED: $*" >&2
    systemctl --no-pager --failed >&2 || :
    journalctl --no-pager --lines=60 >&2 || :
    exit 1
}

# Also where nobody has said what went wrong.
set -E
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR

# wait_for WHAT COMMAND...: until the command succeeds, at most a minute.
wait_for() {
    local what=$1 deadline=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$what did not happen in a minute"
        read -rt 0.1 <> <(:) || :
    done
}

# answer COMMAND...: types the password of root, and again for a minute: a server that runs sees a new one
# within a second, which nobody notices who types.
answer() {
    local deadline=$((SECONDS + 60))
    until "$@" <<< 'secret of root'; do
        [ "$SECONDS" -lt "$deadline" ] || fail "$* does not take the password"
    done
}

# expect WHAT FOUND WANTED
expect() {
    [ "$2" = "$3" ] || fail "$1 is \`$2\`, not \`$3\`"
}

# mode_of PATH -> MODE OWNER GROUP
mode_of() {
    stat --format='%a %U %G' "$1"
}

answers() {
    curl --silent --fail --output /dev/null "$server/+status"
}

apt() {
    apt-get --quiet=2 --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

installed_version() {
    dpkg-query --show --showformat='${db:Status-Abbrev}${Version}' cheeseshop
}

# installs_with_pip: a fresh environment, the project from the index of the team, through nginx with TLS.
installs_with_pip() {
    local environment
    environment=$(mktemp -d -p "$state")
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --cert "$state/ca.pem" --index-url "$site/team/dev/+simple/" hello-shop
    expect 'what the installed project says' \
        "$("$environment/bin/python" -c 'import hello_shop; print(hello_shop.WORDS)')" 'fresh cheese'
    rm -r "$environment"
}

# files_of_the_system: names of everything that installing may have left somewhere.
files_of_the_system() {
    find / -xdev \
        \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /packages \
        -o -path /var/cache -o -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt \
        -o -path /var/lib/systemd -o -path /var/tmp -o -path ~/.cache \) -prune -o -print | sort
}

# make_wheel FILE TEXT: a wheel with one module of this text; names and tags are those of the file.
make_wheel() {
    python3 - "$@" << 'PYTHON'
import base64, hashlib, pathlib, sys, zipfile

path, text = sys.argv[1:]
name, version, pythons, abi, platform = pathlib.Path(path).stem.split("-")
info = f"{name}-{version}.dist-info"
tags = "".join(f"Tag: {python}-{abi}-{platform}\n" for python in pythons.split("."))
files = {
    f"{name}.py": text + "\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
    f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n{tags}",
}
record = ""
for file, content in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
    record += f"{file},sha256={digest},{len(content)}\n"
files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
with zipfile.ZipFile(path, "w") as wheel:
    for file, content in files.items():
        wheel.writestr(file, content)
PYTHON
}

# hold_job UNIT COMMAND: starts the job of a timer, which then hangs as its next run does not, and goes on with the
# command as that does.
hold_job() {
    local folder=/run/systemd/system/$1.d
    mkdir -p "$folder"
    rm -f "$state/let-go"
    printf '[Service]\nExecStart=\nExecStart=/bin/sh -c "[ -e %s ] || kill -STOP $$$$; echo goes on; exec %s"\n' \
        "$state/let-go" "$2" > "$folder/hold.conf"
    systemctl daemon-reload
    systemctl start --no-block "$1"
    wait_for "the job $1" hangs "$1"
    systemctl show --property=MainPID --value "$1" >> "$state/held"
}
hangs() {
    grep -q '^State:.T' "/proc/$(systemctl show --property=MainPID --value "$1")/status"
}

# hold_jobs: one of each kind.
hold_jobs() {
    rm -f "$state/held"
    hold_job cheeseshop-backup.service '/usr/bin/cheeseshop backup create'
    hold_job cheeseshop-gc.service '/usr/bin/cheeseshop gc'
    echo INDEX=x > /etc/cheeseshop/retention/example.conf
    echo x > /etc/cheeseshop/retention/example.token
    hold_job cheeseshop-retention@example.service true
    touch "$state/let-go"
}

# expect_no_held_job: each of them has ended, and none has failed.
expect_no_held_job() {
    local process
    while read -r process; do
        [ ! -e "/proc/$process" ] || fail "a job goes on: $(tr '\0' ' ' < "/proc/$process/cmdline")"
    done < "$state/held"
    expect 'failed units' "$(systemctl --failed --no-legend --plain)" ''
}

# forget_jobs: as they were.
forget_jobs() {
    rm -r /run/systemd/system/cheeseshop-*.service.d
    rm /etc/cheeseshop/retention/example.*
    systemctl daemon-reload
}

# make_database_older: as the release before would have it, which has the program of this one.
make_database_older() {
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
}

# newest_migration HOW: the one that the database has seen, read as the option of SQLite's says.
newest_migration() {
    python3 -c "
import sqlite3
database = sqlite3.connect('file:/var/lib/cheeseshop/cheeseshop.db?$1', uri=True)
print(database.execute('SELECT max(name) FROM schema_migrations').fetchone()[0])"
}
