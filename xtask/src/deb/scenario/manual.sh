# Before the page of the manual: an upstream in the place of PyPI, which this machine does not reach, and what
# the page takes for granted.
upstream=$state/upstream/simple
mkdir -p "$upstream/six"
make_wheel "$upstream/six/six-1.17.0-py2.py3-none-any.whl" "__version__ = '1.17.0'"
digest=$(sha256sum "$upstream/six/six-1.17.0-py2.py3-none-any.whl" | cut -d' ' -f1)
page="<a href=\"six-1.17.0-py2.py3-none-any.whl#sha256=$digest\">six-1.17.0-py2.py3-none-any.whl</a>"
echo "<!DOCTYPE html><html><body>$page</body></html>" > "$upstream/six/index.html"
echo '<!DOCTYPE html><html><body><a href="six/">six</a></body></html>' > "$upstream/index.html"
systemd-run --quiet --unit=upstream --working-directory="$state/upstream" \
    python3 -m http.server 8000 --bind 127.0.0.1
wait_for 'the upstream' curl --silent --fail http://127.0.0.1:8000/simple/six/

mkdir -p /etc/cheeseshop/conf.d
printf '[mirror]\nroot_pypi_url = "http://127.0.0.1:8000/simple/"\n' > /etc/cheeseshop/conf.d/upstream.toml

# The apt repository of the page, at its own address.
rm -f /etc/apt/sources.list
mkdir -p "$state/web"
ln -s "$REPOSITORY" "$state/web/debian"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj '/CN=packages.example' \
    -addext 'subjectAltName=DNS:packages.example' -keyout "$state/web.key" \
    -out /usr/local/share/ca-certificates/packages.crt 2> /dev/null
update-ca-certificates > /dev/null 2>&1
echo '127.0.0.1 packages.example' >> /etc/hosts
cat > /etc/nginx/sites-enabled/packages <<NGINX
server {
    listen 127.0.0.1:443 ssl;
    server_name packages.example;
    ssl_certificate /usr/local/share/ca-certificates/packages.crt;
    ssl_certificate_key $state/web.key;
    root $state/web;
}
NGINX
systemctl reload-or-restart nginx
