# Before the page of the manual: an upstream in the place of PyPI, which this machine does not reach, and what
# the page takes for granted.
upstream=$state/upstream/simple
mkdir -p "$upstream/six"
python3 - "$upstream/six/six-1.17.0-py2.py3-none-any.whl" << 'PYTHON'
import base64, hashlib, sys, zipfile

info = "six-1.17.0.dist-info"
files = {
    "six.py": "__version__ = '1.17.0'\n",
    f"{info}/METADATA": "Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
}
record = ""
for path, text in files.items():
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    record += f"{path},sha256={digest},{len(text)}\n"
files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
PYTHON
digest=$(sha256sum "$upstream/six/six-1.17.0-py2.py3-none-any.whl" | cut -d' ' -f1)
page="<a href=\"six-1.17.0-py2.py3-none-any.whl#sha256=$digest\">six-1.17.0-py2.py3-none-any.whl</a>"
echo "<!DOCTYPE html><html><body>$page</body></html>" > "$upstream/six/index.html"
echo '<!DOCTYPE html><html><body><a href="six/">six</a></body></html>' > "$upstream/index.html"
systemd-run --quiet --unit=upstream --working-directory="$state/upstream" \
    python3 -m http.server 8000 --bind 127.0.0.1
wait_for 'the upstream' curl --silent --fail http://127.0.0.1:8000/simple/six/

mkdir -p /etc/cheeseshop/conf.d
printf '[mirror]\nroot_pypi_url = "http://127.0.0.1:8000/simple/"\n' > /etc/cheeseshop/conf.d/upstream.toml
