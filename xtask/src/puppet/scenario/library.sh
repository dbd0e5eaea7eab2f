# What the steps share, beside the library of the Debian packages.

modules=/packages/modules
site_manifest=/packages/site.pp
site_name=packages.corp.example

# puppet_apply LOG WORDS...: exit code 0 for nothing changed, 2 for changed; anything else is a failure.
puppet_apply() {
    local log=$1 code=0
    shift
    puppet apply --color=false --detailed-exitcodes --modulepath="$modules:/usr/share/puppet/modules" \
        --hiera_config=/etc/puppet/hiera.yaml "$@" "$site_manifest" > "$log" 2>&1 || code=$?
    # Facter cannot look into the first process of a machine like this, and says so at each start.
    sed -i '/Facter.*environ/d' "$log"
    case $code in
        0 | 2) ;;
        *) sed 's/^/    /' "$log" >&2; fail "puppet apply ended with $code" ;;
    esac
    # A dry run tells what it cannot know yet; Facter has no address here.
    if grep -E '^(Error|Warning)' "$log" | grep -vE 'serverip|taken for absent|nothing is known|going on without a login' >&2; then
        fail 'puppet apply has said the above'
    fi
    echo "$code"
}

# puppet_fails LOG WORDS...: a run that has to fail.
puppet_fails() {
    local log=$1
    shift
    if (trap - ERR; puppet_apply "$log" "$@") > /dev/null 2> "$state/failed.log"; then
        fail 'puppet apply should have failed'
    fi
}

# certificate: a fresh one for the site, by the authority of the company.
certificate() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$site_name" \
        -keyout "/etc/ssl/private/$site_name.key" -out "$state/site.csr" 2>>"$state/openssl.log"
    printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$site_name" > "$state/extensions"
    openssl x509 -req -days 2 -in "$state/site.csr" -CA /etc/ssl/corp-ca.pem -CAkey "$state/ca.key" -CAcreateserial \
        -extfile "$state/extensions" -out "/etc/ssl/certs/$site_name.pem" 2>>"$state/openssl.log"
}

# serial HOST:PORT: the number of the certificate that is shown there.
serial() {
    openssl s_client -connect "$1" -servername "$site_name" < /dev/null 2>"$state/serial.err" | openssl x509 -noout -serial
}

# installs PROJECT...: into a fresh environment, with nothing but what Puppet has set, or pip's options in PIP_*.
installs() {
    local environment
    environment=$(mktemp -d -p "$state")
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir "$@" || fail "pip install $*"
    "$environment/bin/python" -c 'import sys; print(*(__import__(name.replace("-", "_")).WORDS for name in sys.argv[1:]), sep=", ")' "$@"
    rm -r "$environment"
}

# told LOG TEXT: the run has said it.
told() {
    grep -qF -- "$2" "$1" || { sed 's/^/    /' "$1" >&2; fail "the run did not say: $2"; }
}

# would_change LOG RESOURCE/PROPERTY: a dry run has said so, in the words of Puppet 7 or 8.
would_change() {
    awk -v what="$2: " 'index($0, what) && /\(noop\)$/ { found = 1 } END { exit !found }' "$1" || { sed 's/^/    /' "$1" >&2; fail "the run did not say that it would change $2"; }
}

# not_told LOG TEXT: the run has not said it.
not_told() {
    ! grep -F -- "$2" "$1" >&2 || fail 'the run has said the above'
}

# told_nothing LOG: no resource was changed or would be.
told_nothing() {
    if grep -E '^Notice: /' "$1" >&2; then
        fail 'the run has changed something, or would'
    fi
}
