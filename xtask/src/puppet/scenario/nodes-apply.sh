# Puppet makes this machine a node; FACTER_node says which.
site_manifest=/packages/nodes.pp
expect 'the exit code of the first run' "$(puppet_apply "$state/nodes-1.log")" 2
not_told "$state/nodes-1.log" 'Exec[cheeseshop password of root]'
expect 'the exit code of the second run' "$(puppet_apply "$state/nodes-2.log")" 0
told_nothing "$state/nodes-2.log"
if grep -rl topsecret "$state"/nodes-*.log /etc/cheeseshop/cheeseshop.toml /etc/cheeseshop/conf.d /var/cache/puppet /var/lib/puppet 2>/dev/null; then
    fail 'a secret is in the above'
fi
expect 'the file of a secret' "$(mode_of /etc/cheeseshop/secrets/blobs.secret_key)" '640 root cheeseshop'
