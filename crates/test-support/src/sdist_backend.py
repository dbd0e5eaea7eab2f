"""Build backend (PEP 517) that test sdists carry along: standard library only."""

import base64
import hashlib
import os
import zipfile


def _metadata():
    with open("PKG-INFO", encoding="utf-8") as file:
        text = file.read()
    fields = {}
    for line in text.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.lower(), value.strip())
    name = fields["name"].lower()
    for separator in "-.":
        name = name.replace(separator, "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name, fields["version"], text


def _dist_info(text):
    wheel = (
        "Wheel-Version: 1.0\nGenerator: in-tree-backend\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n"
    )
    return {"METADATA": text, "WHEEL": wheel}


def get_requires_for_build_wheel(config_settings=None):
    return []


def get_requires_for_build_sdist(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name, version, text = _metadata()
    directory = f"{name}-{version}.dist-info"
    os.makedirs(os.path.join(metadata_directory, directory))
    for file_name, content in _dist_info(text).items():
        path = os.path.join(metadata_directory, directory, file_name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    return directory


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version, text = _metadata()
    directory = f"{name}-{version}.dist-info"
    entries = {}
    for root, _, files in os.walk("src"):
        for file_name in sorted(files):
            if file_name.endswith(".pyc"):
                continue
            path = os.path.join(root, file_name)
            with open(path, "rb") as file:
                entries[os.path.relpath(path, "src").replace(os.sep, "/")] = file.read()
    for file_name, content in _dist_info(text).items():
        entries[f"{directory}/{file_name}"] = content.encode("utf-8")
    record = ""
    wheel_name = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel_name), "w") as wheel:
        for path, content in entries.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
            record += f"{path},sha256={digest.rstrip(b'=').decode()},{len(content)}\n"
            wheel.writestr(path, content)
        record += f"{directory}/RECORD,,\n"
        wheel.writestr(f"{directory}/RECORD", record)
    return wheel_name


def build_sdist(sdist_directory, config_settings=None):
    import tarfile

    name, version, _ = _metadata()
    sdist_name = f"{name}-{version}.tar.gz"
    with tarfile.open(os.path.join(sdist_directory, sdist_name), "w:gz") as sdist:
        for path in ("PKG-INFO", "pyproject.toml", "backend", "src"):
            sdist.add(path, f"{name}-{version}/{path}")
    return sdist_name
