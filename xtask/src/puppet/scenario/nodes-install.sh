# Installers notice nothing of a node that is away.
export PIP_INDEX_URL="https://$site_name/team/dev/+simple/" PIP_CERT=/etc/ssl/corp-ca.pem
for _ in 1 2 3; do
    expect 'what the installed projects say' "$(installs hello-shop from-pypi)" 'fresh cheese, mirrored cheese'
done
