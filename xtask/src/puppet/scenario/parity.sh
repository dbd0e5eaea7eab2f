# On another clean system: a user with a number, data elsewhere, ports, proxies, accounts that nginx does not let change,
# files that nginx sends itself.
# The module of the company, with its theme.
cp -r "$modules" "$state/modules"
modules=$state/modules
mkdir -p "$modules/profile/files/theme"
echo ':root { --cs-accent: #112233; }' > "$modules/profile/files/theme/theme.css"
site_manifest=/packages/parity.pp
expect 'the exit code of the first run' "$(puppet_apply "$state/parity-1.log")" 2
expect 'the exit code of the second run' "$(puppet_apply "$state/parity-2.log")" 0
told_nothing "$state/parity-2.log"
expect 'failed units' "$(systemctl --failed --no-legend --plain)" ''

expect 'the user' "$(getent passwd cheeseshop | cut -d: -f3,4,6)" '3141:3142:/srv/shop'
expect 'the data' "$(mode_of /srv/shop/data)" '750 cheeseshop cheeseshop'
[ -s /srv/shop/data/cheeseshop.db ] || fail 'the data are elsewhere'
expect 'proxies of the service' "$(systemctl show --property=Environment --value cheeseshop | tr ' ' '\n' | grep proxy | xargs)" \
    'http_proxy=http://proxy.corp.example:3128 no_proxy=localhost,.test'
expect 'what the server listens on' \
    "$(ss --no-header --listening --tcp --numeric | awk '{ print $4 }' | grep ':314[12]$' | sort | xargs)" '127.0.0.1:3141 127.0.0.1:3142'

site=https://$site_name:31443
status() {
    curl --silent --cacert /etc/ssl/corp-ca.pem --output "$state/body" --write-out '%{http_code}' "$@"
}
expect 'the redirect' "$(curl --silent --output /dev/null --write-out '%{redirect_url}' "http://$site_name:31415/")" "$site/"
expect 'the port of default sites' "$(ss --no-header --listening --tcp --numeric | grep -c ':80 ' || :)" 0
expect 'a new account through nginx' \
    "$(status -X PUT -u root:topsecret-of-root -d '{"password": "12345678"}' "$site/mallory")" 405
expect 'the same past nginx' \
    "$(status -X PUT -u root:topsecret-of-root -d '{"password": "12345678"}' http://127.0.0.1:3141/mallory)" 201
expect 'a reader without a login' "$(status "$site/anna/dev/+simple/")" 401

TWINE_USERNAME=anna TWINE_PASSWORD=topsecret-of-team twine upload --non-interactive --disable-progress-bar \
    --cert /etc/ssl/corp-ca.pem --repository-url "$site/anna/dev/" "$state"/dist/*.whl > "$state/twine.log" 2>&1 || {
    cat "$state/twine.log" >&2
    fail 'the upload'
}
expect 'the page' "$(status -u anna:topsecret-of-team -H 'Accept: application/vnd.pypi.simple.v1+json' "$site/anna/dev/+simple/hello-shop/")" 200
path=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["files"][0]["url"].split("#")[0])' "$state/body")
base=$site/anna/dev/+simple/hello-shop/
url=$(python3 -c 'import sys, urllib.parse; print(urllib.parse.urljoin(*sys.argv[1:]))' "$base" "$path")
expect 'a file without a login' "$(status "$url")" 401
expect 'a file' "$(status -u anna:topsecret-of-team "$url")" 200
cmp "$state/body" "$state"/dist/*.whl || fail 'the file has come as something else'
grep -s 'Permission denied' /var/log/nginx/error.log && fail 'nginx may not read the files that it is to send'
runuser -u www-data -- find /srv/shop/data/blobs -path '*/tmp' -prune -o -type f -exec cat {} + > /dev/null || fail 'nginx may not read the files'
runuser -u www-data -- cat /srv/shop/data/cheeseshop.db /etc/cheeseshop/cheeseshop.toml > /dev/null 2>&1 &&
    fail 'nginx may read more than the files'

# A setting that is a secret is in a file of its own, and heeded.
expect 'the file of a secret' "$(mode_of /etc/cheeseshop/secrets/mirror.proxy)" '640 root cheeseshop'
grep -q proxy.corp.example /etc/cheeseshop/cheeseshop.toml && fail 'a secret is among the settings'
expect 'a page of the mirror' "$(status -u anna:topsecret-of-team "$site/anna/dev/+simple/from-pypi/")" 200
grep -q '/simple/from-pypi/' "$state/proxy.log" || fail 'the mirror did not go through the proxy'

# The jobs of the timers have the rights that they need there.
for job in cheeseshop-gc cheeseshop-backup cheeseshop-retention@anna-dev; do
    systemctl start "$job.service" || { journalctl --no-pager --unit="$job" >&2; fail "$job"; }
done

# The socket is systemd's, and what a running server takes over it takes over running.
expect 'the socket' "$(systemctl is-active cheeseshop.socket)" active
expect 'the timer of a rule' "$(systemctl is-active cheeseshop-retention@anna-dev.timer)" active
expect 'the token of a rule' "$(mode_of /etc/cheeseshop/retention/anna-dev.token)" '600 root root'
before=$(systemctl show --property=MainPID --value cheeseshop)
sed "s/'filter' => 'info'/'filter' => 'debug'/" /packages/parity.pp > "$state/parity.pp"
site_manifest=$state/parity.pp
expect 'the exit code for another log' "$(puppet_apply "$state/parity-3.log")" 2
told "$state/parity-3.log" "Exec[cheeseshop reload]: Triggered 'refresh'"
expect 'the exit code of the run after it' "$(puppet_apply "$state/parity-4.log")" 0

# So is the look of the pages.
look() {
    local sheet
    sheet=$(curl --silent "http://127.0.0.1:3141/" -H 'Accept: text/html' | grep -o '/+static/[^"]*/theme\.css') || return 1
    curl --silent "http://127.0.0.1:3141$sheet" | grep -qF -- "$1"
}
look '#112233' || fail 'the theme is not in force'
expect 'a file of the theme' "$(mode_of /etc/cheeseshop/theme/theme.css)" '644 root cheeseshop'
echo ':root { --cs-accent: #445566; }' > "$modules/profile/files/theme/theme.css"
expect 'the exit code for another theme' "$(puppet_apply "$state/parity-5.log")" 2
wait_for 'another look' look '#445566'
# One that the server would not start with fails the run, and that in force stays.
echo '#!/bin/sh' > "$modules/profile/files/theme/script.sh"
puppet_fails "$state/parity-6.log"
told "$state/parity-6.log" 'script.sh'
look '#445566' || fail 'a wrong theme has taken the place of the right one'
rm "$modules/profile/files/theme/script.sh"
expect 'the exit code when it is mended' "$(puppet_apply "$state/parity-7.log")" 2
expect 'the process' "$(systemctl show --property=MainPID --value cheeseshop)" "$before"

# A new certificate of nginx, which reads it without a restart.
old=$(serial "$site_name:31443")
certificate
expect 'the exit code for another certificate' "$(puppet_apply "$state/parity-8.log")" 2
is_new() { [ "$(serial "$site_name:31443")" != "$old" ]; }
wait_for 'another certificate' is_new
expect 'the exit code of the last run' "$(puppet_apply "$state/parity-9.log")" 0

# All that was to be taken over by the running server it has taken over.
journalctl --no-pager --unit=cheeseshop > "$state/journal.log"
told "$state/journal.log" 'the settings have been read again'
not_told "$state/journal.log" 'need a restart'
