# What the README wants to be there: a package, a certificate, passwords in Hiera. And what stands around a
# company's index: its proxy, and somebody to mirror.
cat >> /etc/hosts <<END
127.0.0.1 $site_name proxy.corp.example upstream.corp.example
END
cp /packages/cheeseshop.deb /opt/cheeseshop.deb

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=Company CA' \
    -addext 'basicConstraints=critical,CA:TRUE' -keyout "$state/ca.key" -out /etc/ssl/corp-ca.pem 2>"$state/openssl.log"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$site_name" \
    -keyout "/etc/ssl/private/$site_name.key" -out "$state/site.csr" 2>>"$state/openssl.log"
printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$site_name" > "$state/extensions"
openssl x509 -req -days 2 -in "$state/site.csr" -CA /etc/ssl/corp-ca.pem -CAkey "$state/ca.key" -CAcreateserial \
    -extfile "$state/extensions" -out "/etc/ssl/certs/$site_name.pem" 2>>"$state/openssl.log"

# The addresses of clouds are asked by nobody here.
mkdir -p /etc/facter /etc/puppet/data
cat > /etc/facter/facter.conf <<END
facts : { blocklist : [ "ec2_metadata", "ec2_userdata", "gce", "az_metadata", "cloud", "augeas" ] }
END
cat > /etc/puppet/hiera.yaml <<END
version: 5
hierarchy:
  - name: all
    datadir: data
    data_hash: yaml_data
    path: common.yaml
END
cat > /etc/puppet/data/common.yaml <<END
cheeseshop_root_password: topsecret-of-root
cheeseshop_shared_password: topsecret-of-shared
cheeseshop_team_password: topsecret-of-team
cheeseshop::root_pypi_url: http://upstream.corp.example:8000/simple/
END

# An upstream with one project.
make_wheel() {
    python3 - "$@" <<'END'
import base64, hashlib, sys, zipfile
folder, name, version, words = sys.argv[1:]
info = f"{name}-{version}.dist-info"
files = {
    f"{name}.py": f"WORDS = {words!r}\n",
    f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
record = ""
with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
        wheel.writestr(path, text)
    wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
END
}
mkdir -p "$state/upstream/simple/from-pypi" "$state/dist"
make_wheel "$state/upstream/simple/from-pypi" from_pypi 1.0 'mirrored cheese'
make_wheel "$state/dist" hello_shop 1.0 'fresh cheese'
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
