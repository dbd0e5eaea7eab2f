"""Builds the Containerfile and runs the image as an operator does: engine.py PROGRAM FOLDER, as root in namespaces
of its own.

buildah builds, podman runs; neither needs a registry or a network. The image that the build begins with is stood in
for: it would be fetched, and its Rust take a quarter of an hour to make the program that is PROGRAM already. Every
instruction of the Containerfile is carried out.
"""

import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request

PROGRAM, FOLDER = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
CONTAINERFILE = CHECKOUT / "deploy/container/Containerfile"
IMAGE = "cheeseshop"
URL = "http://127.0.0.1:3141"
DEADLINE = 60
DATA = "/var/lib/cheeseshop"
PASSWORD = "correct-horse"

# What static.sh asks of cargo.
CARGO = """#!/bin/sh
case "$*" in
"build --locked --package cheeseshop --bin cheeseshop --profile release --target "*)
    for target; do :; done
    mkdir -p "target/$target/release"
    cp /program "target/$target/release/cheeseshop" ;;
*) echo "this is no cargo: $*" >&2; exit 97 ;;
esac
"""

# What the scripts of the build need beside it; copied from this Debian.
TOOLS = ["sh", "env", "uname", "tr", "mkdir", "cp", "install", "dirname"]


def run(*command, typed="", code=0):
    """Runs a command to its end; gives what it prints."""
    done = subprocess.run(
        [str(word) for word in command], input=typed, capture_output=True, text=True, timeout=600, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, f"{' '.join(map(str, command))}: {done.returncode}\n{said}"
    return said


def until(what, question):
    """Asks until the answer is yes."""
    deadline = time.monotonic() + DEADLINE
    while not (answer := question()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)
    return answer


def prepare():
    """An engine that keeps everything in FOLDER and asks nobody else."""
    # crun knows either version of cgroups, and not the mixture that some machines have.
    run("mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    # Locks and the state of what runs, which would outlive a check that is killed.
    for folder in ("/dev/shm", "/run"):
        run("mount", "-t", "tmpfs", "tmpfs", folder)
    run("ip", "link", "set", "lo", "up")
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{FOLDER}/store"\nrunroot = "{FOLDER}/run"\n'
    # There is neither systemd nor, for each machine, the right to raise a limit.
    engine = (
        '[containers]\ncgroupns = "host"\ncgroups = "disabled"\nnetns = "host"\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "crun"\n'
        f'tmp_dir = "{FOLDER}/tmp"\n'
    )
    for name, text in (("storage", storage), ("containers", engine), ("registries", "")):
        (FOLDER / f"{name}.conf").write_text(text)
    os.environ["CONTAINERS_STORAGE_CONF"] = f"{FOLDER}/storage.conf"
    os.environ["CONTAINERS_CONF"] = f"{FOLDER}/containers.conf"
    os.environ["CONTAINERS_REGISTRIES_CONF"] = f"{FOLDER}/registries.conf"


def build():
    """The stand-in, then the Containerfile."""
    base = re.search(r"^FROM (\S+) AS build$", CONTAINERFILE.read_text(), re.MULTILINE)[1]
    stand_in = FOLDER / "base"
    for name in ("bin", "usr/local/bin", "etc/ssl/certs", "tmp"):
        (stand_in / name).mkdir(parents=True)
    for name in TOOLS:
        tool = shutil.which(name)
        shutil.copy(tool, stand_in / "bin")
        for library in re.findall(r"(/\S+) \(0x", run("ldd", tool)):
            place = stand_in / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", stand_in / "etc/ssl/certs")
    shutil.copy(PROGRAM, stand_in / "program")
    cargo = stand_in / "usr/local/bin/cargo"
    cargo.write_text(CARGO)
    cargo.chmod(0o755)
    (FOLDER / "Base").write_text(
        "FROM scratch\nCOPY base /\nENV PATH=/usr/local/bin:/bin\n"
    )
    bud = ("buildah", "bud", "--isolation", "chroot", "--format", "docker", "--pull-never")
    run(*bud, "--tag", f"docker.io/library/{base}", "--file", FOLDER / "Base", FOLDER)
    shutil.rmtree(stand_in)
    run(*bud, "--tag", IMAGE, "--build-arg", "REVISION=0123", "--file", CONTAINERFILE, CHECKOUT)


def inspect():
    """What others see of the image without running it."""
    image = json.loads(run("podman", "image", "inspect", IMAGE))[0]
    config, health = image["Config"], image["Healthcheck"]["Test"]
    assert config["User"] == "31415:31415", config
    assert config["Entrypoint"] == ["/usr/bin/cheeseshop"] and config["Cmd"] == ["serve"], config
    assert list(config["Volumes"]) == [DATA] and list(config["ExposedPorts"]) == ["3141/tcp"], config
    assert config["StopSignal"] == "SIGTERM", config
    assert config["Labels"]["org.opencontainers.image.revision"] == "0123", config
    assert health[:2] == ["CMD", "/usr/bin/cheeseshop"], health
    # One layer of ours, and in it what root.sh puts there.
    mounted = run("podman", "image", "mount", IMAGE).strip()
    files = [path for path in pathlib.Path(mounted).rglob("*") if path.is_file() and not path.is_symlink()]
    total = sum(path.stat().st_size for path in files)
    own = PROGRAM.stat().st_size
    assert len(files) < 15 and total - own < 1 << 20, f"{len(files)} files, {total} bytes: {files}"
    run("podman", "image", "unmount", IMAGE)
    return health[1:]


class Container:
    """A container that runs the server."""

    def __init__(self, name, *options, arguments=()):
        self.name = name
        soft, hard = (min(limit, 4096) for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
        self.options = [
            *("--name", name, "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"),
            *("--security-opt", "no-new-privileges", "--no-healthcheck"),
            *("--ulimit", f"nofile={soft}:{hard}", "--ulimit", "nproc=1024:1024"),
            *options,
        ]
        self.arguments = arguments

    def start(self):
        run("podman", "run", "--detach", *self.options, IMAGE, *self.arguments)
        return self

    def refused(self):
        """Runs it, which has to fail; gives what it said."""
        return run("podman", "run", "--rm", *self.options, IMAGE, *self.arguments, code=2)

    def exec(self, *command, typed="", code=0):
        return run("podman", "exec", "--interactive", self.name, *command, typed=typed, code=code)

    def log(self):
        return run("podman", "logs", self.name)

    def ready(self):
        def answers():
            try:
                return urllib.request.urlopen(f"{URL}/+health/ready", timeout=5).status == 200
            except OSError:
                state = json.loads(run("podman", "inspect", self.name))[0]["State"]
                assert state["Running"], f"{state}\n{self.log()}"
                return False

        until("readiness", answers)
        return self

    def stop(self):
        """Stops and removes it; gives the code of its end."""
        run("podman", "stop", "--time", "30", self.name)
        code = json.loads(run("podman", "inspect", self.name))[0]["State"]["ExitCode"]
        said = self.log()
        run("podman", "rm", self.name)
        return code, said


def login(password):
    """Whether root has this password."""
    body = json.dumps({"user": "root", "password": password}).encode()
    headers = {"Content-Type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(f"{URL}/+login", body, headers), timeout=60)
    except urllib.error.HTTPError as error:
        assert error.code == 401, error
        return False
    return True


def volume(name):
    """Where a volume is on this machine."""
    return pathlib.Path(run("podman", "volume", "inspect", "--format", "{{.Mountpoint}}", name).strip())


def first_day(health):
    """A volume that the engine makes; a password that somebody reads from it, and replaces."""
    shop = Container("shop", "--volume", f"data:{DATA}").start().ready()
    shop.exec(*health)
    data = volume("data")
    status = data.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (31415, 0, 0o770), status
    kept = data / "root-password"
    assert kept.stat().st_mode & 0o777 == 0o600, kept.stat()
    password = kept.read_text().strip()
    # The image has nothing to read it with, but the engine does.
    assert password in run("podman", "cp", f"{shop.name}:{DATA}/root-password", "-")
    assert login(password), "the password in the volume is not that of root"
    shop.exec("/usr/bin/cheeseshop", "passwd", "root", typed=f"{PASSWORD}\n")
    assert not kept.exists()
    until("the new password", lambda: login(PASSWORD))
    code, said = shop.stop()
    assert code == 0, f"SIGTERM ends it with {code}\n{said}"
    assert password not in said and "root-password" in said, said

    # What the volume has is taken up by the next container: an upgrade. Images before had it for their user alone.
    data.chmod(0o700)
    os.chown(data, 31415, 31415)
    shop = Container("shop", "--volume", f"data:{DATA}").start().ready()
    assert login(PASSWORD)
    assert "Created" not in shop.log(), shop.log()
    assert shop.stop()[0] == 0


def secrets():
    """A password that the operator has chosen."""
    for text, reason in (("x", "is too short"), ("\n", "is empty"), ("geheimes\nwort", "more than one line")):
        run("podman", "secret", "create", "wrong", "-", typed=text)
        shop = Container("shop", "--volume", f"wrong:{DATA}", *secret("wrong"))
        said = shop.refused()
        assert reason in said and "/run/secrets/wrong" in said, said
        run("podman", "secret", "rm", "wrong")
    # It goes on with the volume of the start that failed.
    run("podman", "secret", "create", "root", "-", typed=f"{PASSWORD}-2\n")
    shop = Container("shop", "--volume", f"wrong:{DATA}", *secret("root")).start().ready()
    assert login(f"{PASSWORD}-2")
    assert not (volume("wrong") / "root-password").exists()
    code, said = shop.stop()
    assert code == 0 and PASSWORD not in said, said
    # From then on it may be away.
    missing = ("--env", "CHEESESHOP_AUTH__ROOT_PASSWORD_FILE=/run/secrets/none")
    shop = Container("shop", "--volume", f"wrong:{DATA}", *missing).start().ready()
    assert login(f"{PASSWORD}-2") and shop.stop()[0] == 0
    said = Container("shop", "--volume", f"none:{DATA}", *missing).refused()
    assert "/run/secrets/none: cannot be read" in said, said


def secret(name):
    """A secret of the engine as the password of root. Only its owner can read it."""
    mounted = f"{name},uid=31415,mode=0400"
    return ("--secret", mounted, "--env", f"CHEESESHOP_AUTH__ROOT_PASSWORD_FILE=/run/secrets/{name}")


def other_users():
    """Whatever number an orchestrator takes, in the group 0; and a directory that is somebody else's."""
    shop = Container("shop", "--user", "1000650000:0", "--volume", f"openshift:{DATA}").start().ready()
    shop.exec("/usr/bin/cheeseshop", "passwd", "root", typed=f"{PASSWORD}\n")
    until("the new password", lambda: login(PASSWORD))
    assert shop.stop()[0] == 0
    foreign = FOLDER / "foreign"
    foreign.mkdir(mode=0o700)
    said = Container("shop", "--volume", f"{foreign}:{DATA}").refused()
    assert f"the data directory {DATA} cannot be read: Permission denied" in said, said


def troubles():
    """What operators get wrong."""
    said = Container("shop", "--volume", f"data:{DATA}:ro").refused()
    assert f"the data directory {DATA} cannot be written to: Read-only file system" in said, said
    said = Container("shop", "--volume", f"data:{DATA}", "--env", "CHEESESHOP_SERVER__LISTNE=x").refused()
    assert "did you mean `server.listen`?" in said, said
    said = Container("shop", "--volume", f"data:{DATA}", "--env", "CHEESESHOP_SERVER__LISTEN=0.0.0.0:80x").refused()
    assert "CHEESESHOP_SERVER__LISTEN" in said, said
    # Two on one volume.
    shop = Container("shop", "--volume", f"data:{DATA}").start().ready()
    listen = ("--env", "CHEESESHOP_SERVER__LISTEN=127.0.0.1:3142")
    said = Container("second", "--volume", f"data:{DATA}", *listen).refused()
    assert "is in use by `cheeseshop serve`" in said, said
    # A kill loses nothing.
    run("podman", "kill", "--signal", "KILL", shop.name)
    until("the end", lambda: not json.loads(run("podman", "inspect", shop.name))[0]["State"]["Running"])
    run("podman", "rm", shop.name)
    shop.start().ready()
    assert login(PASSWORD) and shop.stop()[0] == 0


def main():
    prepare()
    build()
    health = inspect()
    first_day(health)
    secrets()
    other_users()
    troubles()


if __name__ == "__main__":
    main()
