# What one has taken, both have.
TWINE_USERNAME=team TWINE_PASSWORD=topsecret-of-team twine upload --non-interactive --disable-progress-bar \
    --cert /etc/ssl/corp-ca.pem --repository-url "https://$site_name/team/dev/" "$state"/dist/*.whl > "$state/twine.log" 2>&1 || {
    cat "$state/twine.log" >&2
    fail 'the upload'
}
for node in shop1 shop2; do
    page=$(curl --silent --fail "http://$node.corp.example:3141/team/dev/+simple/hello-shop/") || fail "the page of $node"
    grep -q hello_shop-1.0 <<< "$page" || fail "$node does not list the upload"
done
[ -z "$(find /var/lib/cheeseshop/blobs -type f -size +0 2>/dev/null)" ] || fail 'a file is on this machine alone'
