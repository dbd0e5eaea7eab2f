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
    if grep -E '^(Error|Warning: (Unknown|Scope))' "$log" >&2; then
        fail 'puppet apply has said the above'
    fi
    echo "$code"
}

# told LOG TEXT: the run has said it.
told() {
    grep -qF -- "$2" "$1" || { sed 's/^/    /' "$1" >&2; fail "the run did not say: $2"; }
}

# told_nothing LOG: no resource was changed or would be.
told_nothing() {
    if grep -E '^Notice: /' "$1" >&2; then
        fail 'the run has changed something, or would'
    fi
}
