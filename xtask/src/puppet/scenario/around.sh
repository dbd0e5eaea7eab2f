# What stands around a company's index: a certificate of its own authority, somebody to mirror, and the proxy on the way
# there.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Company CA' \
    -addext 'basicConstraints=critical,CA:TRUE' -keyout "$state/ca.key" -out /etc/ssl/corp-ca.pem 2>"$state/openssl.log"
certificate

# An upstream with one project.
mkdir -p "$state/upstream/simple/from-pypi" "$state/dist"
make_wheel "$state/upstream/simple/from-pypi/from_pypi-1.0-py3-none-any.whl" 'WORDS = "mirrored cheese"'
make_wheel "$state/dist/hello_shop-1.0-py3-none-any.whl" 'WORDS = "fresh cheese"'
echo '<a href="from_pypi-1.0-py3-none-any.whl">from_pypi-1.0-py3-none-any.whl</a>' > "$state/upstream/simple/from-pypi/index.html"
echo '<a href="from-pypi/">from-pypi</a>' > "$state/upstream/simple/index.html"
systemd-run --quiet --unit=upstream --working-directory="$state/upstream" \
    python3 -m http.server --bind 127.0.0.1 8000

# The company's proxy.
cat > "$state/tinyproxy.conf" <<END
Port 3128
Listen 127.0.0.1
Timeout 600
Allow 127.0.0.1
LogFile "$state/proxy.log"
LogLevel Connect
END
systemd-run --quiet --unit=company-proxy tinyproxy -d -c "$state/tinyproxy.conf"
wait_for 'the upstream' curl --silent --fail --output /dev/null --proxy http://proxy.corp.example:3128 http://upstream.corp.example:8000/simple/
