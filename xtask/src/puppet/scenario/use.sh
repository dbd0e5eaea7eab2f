# The index is used: an upload with the token, an install of what was uploaded and of what is mirrored, by nothing but
# the settings that Puppet has written.
export TWINE_USERNAME=team TWINE_PASSWORD
TWINE_PASSWORD=$(cat /etc/cheeseshop-jenkins.token)
REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt twine upload --non-interactive --disable-progress-bar \
    --repository-url "https://$site_name/team/dev/" "$state"/dist/*.whl > "$state/twine.log" 2>&1 || {
    cat "$state/twine.log" >&2
    fail 'the upload'
}
unset TWINE_USERNAME TWINE_PASSWORD

expect 'what the installed projects say' "$(installs hello-shop from-pypi)" 'fresh cheese, mirrored cheese'
grep -q 'upstream.corp.example' "$state/proxy.log" || fail 'the mirror did not go through the proxy of the company'

found=$(su --login --command 'cd /tmp && WORKSPACE=/tmp devpi_use shared/stable >/dev/null 2>&1 && echo "$PIP_INDEX_URL"')
expect 'the index that devpi_use has chosen' "$found" "https://$site_name/shared/stable/+simple/"

systemctl start cheeseshop-backup.service || { journalctl --no-pager --unit=cheeseshop-backup >&2; fail 'the backup'; }
[ -n "$(ls -A /var/backups/cheeseshop)" ] || fail 'there is no backup'

# What Puppet sees of the server, as the manual has it.
listed() {
    puppet resource --modulepath="$modules:/usr/share/puppet/modules" "$@" > "$state/resource.log" 2> "$state/resource.err" ||
        { cat "$state/resource.err" >&2; fail "puppet resource $*"; }
}
listed cheeseshop_index
told "$state/resource.log" "cheeseshop_index { 'team/staging':"
listed cheeseshop_user team
told "$state/resource.log" "'The team'"
listed cheeseshop_token
told "$state/resource.log" "allowed  => ['pkg_read', 'upload']"

# What others have changed is told by a dry run, and mended by a run.
export CHEESESHOP_PASSWORD=topsecret-of-root
printf 'version = 1\n[users.team]\npassword = "of-somebody-else"\n[indexes."team/staging"]\nvolatile = true\nbases = []\n' |
    cheeseshop layout apply - --server http://127.0.0.1:3141/ > /dev/null 2>&1
unset CHEESESHOP_PASSWORD
echo nonsense > /etc/cheeseshop-jenkins.token
echo '# by hand' >> /etc/nginx/conf.d/cheeseshop.conf
cp /etc/nginx/conf.d/cheeseshop.conf "$state/by-hand.conf"
puppet_apply "$state/noop-3.log" --noop > /dev/null
would_change "$state/noop-3.log" 'Cheeseshop_user[team]/password'
told "$state/noop-3.log" 'change index team/staging (bases, volatile)'
would_change "$state/noop-3.log" 'Cheeseshop_token[jenkins]/ensure'
would_change "$state/noop-3.log" 'Exec[cheeseshop gen-config /etc/nginx/conf.d/cheeseshop.conf]/returns'
cmp /etc/nginx/conf.d/cheeseshop.conf "$state/by-hand.conf" || fail 'a dry run has changed the site'
expect 'the exit code of the run that mends' "$(puppet_apply "$state/apply-3.log")" 2
expect 'the exit code of the one after it' "$(puppet_apply "$state/apply-4.log")" 0
! grep -q 'by hand' /etc/nginx/conf.d/cheeseshop.conf || fail 'the site was not mended'
