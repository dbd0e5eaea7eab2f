"""Runs the image's tree as an engine does: check.py ROOT, as root in namespaces of its own.

Nothing can be written but /tmp and /var/lib/cheeseshop, and the server runs under the number that the
Containerfile names. It has to start, be healthy, fetch from an upstream that it finds by DNS, take an upload,
and stop on SIGTERM.
"""

import base64
import hashlib
import http.server
import json
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
import zipfile

UPSTREAM = "pypi.test"
HERE = pathlib.Path(__file__).resolve().parent


def instructions(path):
    """The instructions of the last stage."""
    text = re.sub(r"\\\n", " ", path.read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    return [line.split(None, 1) for line in lines[last:]]


def wheel(name):
    """A wheel of one module, as bytes."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "__version__ = '1.0'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = pathlib.Path("/tmp") / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, text in files.items():
            archive.writestr(entry, text)
    return path.name, path.read_bytes()


def resolve_names():
    """A name server for one name."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    asked = []

    def answer():
        while True:
            query, caller = server.recvfrom(512)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1 : at + 1 + query[at]].decode())
                at += query[at] + 1
            kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
            name = ".".join(labels)
            asked.append(name)
            is_known = name == UPSTREAM
            records = b""
            if is_known and kind == 1:
                records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
            flags = 0x8180 if is_known else 0x8183
            head = query[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0)
            server.sendto(head + query[12 : at + 5] + records, caller)

    threading.Thread(target=answer, daemon=True).start()
    return asked


def serve_upstream():
    """An index with one project."""
    name, content = wheel("fetched")
    digest = hashlib.sha256(content).hexdigest()
    file = {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": digest}}
    page = {"meta": {"api-version": "1.0"}, "name": "fetched", "files": [file]}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/simple/fetched/":
                kind, body = "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()
            elif self.path == f"/files/{name}":
                kind, body = "application/octet-stream", content
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1], content


def main():
    root = pathlib.Path(sys.argv[1])
    said = instructions(HERE / "../../../deploy/container/Containerfile")
    value = {word: rest for word, rest in said}
    version = re.search(r'^version = "(.+)"', (HERE / "../../../Cargo.toml").read_text(), re.MULTILINE)[1]
    assert ["ARG", f"VERSION={version}"] in said, f"the Containerfile says another version than {version}"
    environment = dict(rest.split("=", 1) for word, rest in said if word == "ENV")
    user = value["USER"]
    entry = json.loads(value["ENTRYPOINT"])
    health = json.loads(value["HEALTHCHECK"].split("CMD", 1)[1])
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    asked = resolve_names()
    port, fetched = serve_upstream()
    environment["CHEESESHOP_MIRROR__ROOT_PYPI_URL"] = f"http://{UPSTREAM}:{port}/simple/"

    # As an engine does with --read-only, --tmpfs /tmp and a volume; /proc and /dev it has in any case.
    for name in ("proc", "dev"):
        (root / name).mkdir(exist_ok=True)
    volume = root / value["VOLUME"].lstrip("/")
    for command in (
        f"mount --bind {root} {root}",
        f"mount --bind {volume} {volume}",
        f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
        f"mount -t proc proc {root}/proc",
        f"mount -t tmpfs -o mode=755 tmpfs {root}/dev",
        f"mknod -m 666 {root}/dev/null c 1 3",
        f"mknod -m 666 {root}/dev/random c 1 8",
        f"mknod -m 666 {root}/dev/urandom c 1 9",
        f"mount -o remount,bind,ro {root}",
        "ip link set lo up",
    ):
        subprocess.run(shlex.split(command), check=True)

    def start(command, **options):
        # What chroot(1) does last is to become that user, who gains nothing from then on.
        chroot = ["setpriv", "--no-new-privs", shutil.which("chroot"), f"--userspec={user}", "--groups=", str(root)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*chroot, *command], env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options
        )

    def run(*arguments, typed=""):
        process = start([*entry, *arguments])
        out, errors = process.communicate(typed, timeout=60)
        assert process.returncode == 0, f"{arguments}: {process.returncode}\n{out}{errors}"
        return out

    # The tree is what it says.
    assert "trusted certificates" in run("certs"), run("certs")
    refused = start([*entry, "init", "--data-dir", "/data"])
    out, errors = refused.communicate(timeout=60)
    assert refused.returncode == 2 and "/data" in errors, f"something else can be written\n{out}{errors}"

    server = start([*entry, *json.loads(value["CMD"])])
    log = []
    threading.Thread(target=lambda: log.extend(server.stderr), daemon=True).start()
    lines = iter(server.stdout.readline, "")
    for line in lines:
        if line.startswith("Install with"):
            break
    else:
        server.wait(60)
        sys.exit("the server did not start\n" + "".join(log))
    deadline = time.monotonic() + 60
    while start(health).wait(60) != 0:
        assert time.monotonic() < deadline, "not healthy"
    identity = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    assert f"Uid:\t{user.split(':')[0]}" in identity, identity
    assert "NoNewPrivs:\t1" in identity and "Groups:\t \n" in identity, identity

    run("passwd", "root", typed="root-password\n")
    run("use", "http://127.0.0.1:3141/")
    deadline = time.monotonic() + 60
    while start([*entry, "login", "root", "--password", "root-password"]).wait(60) != 0:
        assert time.monotonic() < deadline, "the password of root is not taken"
    run("index", "-c", "root/dev", "bases=root/pypi")
    name, content = wheel("uploaded")
    (root / "tmp" / name).write_bytes(content)
    run("upload", "--index", "root/dev", f"/tmp/{name}")

    # A client outside.
    for project, expected in (("uploaded", content), ("fetched", fetched)):
        url = f"http://127.0.0.1:3141/root/dev/+simple/{project}/"
        request = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
        page = json.load(urllib.request.urlopen(request, timeout=60))
        file = urllib.parse.urljoin(url, page["files"][0]["url"])
        assert urllib.request.urlopen(file, timeout=60).read() == expected, project
    assert UPSTREAM in asked, "the upstream's name was not asked for"

    server.send_signal(signal.SIGTERM)
    code = server.wait(60)
    assert code == 0, f"SIGTERM ends it with {code}"


if __name__ == "__main__":
    main()
