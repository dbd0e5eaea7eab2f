# Installers notice nothing of a node that is away.
# One that has just come back nginx tries again after five seconds, and here the other one goes before that.
wait_for 'an answer through nginx' curl --silent --fail --cacert /etc/ssl/corp-ca.pem "https://$site_name/team/dev/+simple/hello-shop/"
export PIP_INDEX_URL="https://$site_name/team/dev/+simple/" PIP_CERT=/etc/ssl/corp-ca.pem
for _ in 1 2 3; do
    expect 'what the installed projects say' "$(installs hello-shop from-pypi)" 'fresh cheese, mirrored cheese'
done
