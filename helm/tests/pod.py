"""Runs a pod of rendered manifests by hand, as the kubelet would, for `scripts/try-pod`.

    pod.py field MANIFESTS KIND PATH          a field of the pod, such as containers.0.image, or * for JSON
    pod.py variable MANIFESTS KIND NAME       a variable of its container
    pod.py secrets MANIFESTS                  the secrets that are mounted: NAME KEY, a line each
    pod.py run MANIFESTS KIND ROOT SECRETS    runs its first container in this process's place

`run` must be called as root, in a mount namespace and as the first process of a process namespace (unshare --mount
--pid --fork). ROOT are the image's files, which it may add mount points to; SECRETS has a folder for each Secret with a file
for each key. What is as in a container: the user, its groups, no capabilities, no new privileges, the environment and nothing
else of this process's, a root that is read-only if the manifest says so, secrets as read-only files that the group of the
volume may read, emptyDirs as empty folders in memory, and /proc and /dev of its own. What is not: seccomp and the limits of
memory and CPU.
"""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
# What container runtimes set where the image does not.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def pod_of(manifests, kind):
    documents = yaml.safe_load_all(Path(manifests).read_text())
    (workload,) = (item for item in documents if item and item["kind"] == kind)
    return workload["spec"]["template"]["spec"]


def field(manifests, kind, path):
    value = pod_of(manifests, kind)
    for step in path.split(".") if path != "*" else []:
        value = value[int(step)] if step.isdigit() else value[step]
    print(value if isinstance(value, (str, int)) else json.dumps(value))


def variable(manifests, kind, name):
    (value,) = (item["value"] for item in pod_of(manifests, kind)["containers"][0]["env"] if item["name"] == name)
    print(value)


def secrets(manifests):
    found = set()
    for kind in ("Deployment", "Job"):
        for volume in pod_of(manifests, kind)["volumes"]:
            held = volume.get("secret", {"items": []})
            found |= {(held["secretName"], item["key"]) for item in held["items"]}
    for name, key in sorted(found):
        print(name, key)


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def mount_secret(target, secret, folder, group):
    """A tmpfs with the items alone, read-only."""
    mount("-t", "tmpfs", "-o", "mode=0755,size=4m", "secret", target)
    for item in secret["items"]:
        file = target / item["path"]
        file.write_bytes((folder / secret["secretName"] / item["key"]).read_bytes())
        os.chown(file, 0, group)
        file.chmod(secret["defaultMode"])
    mount("-o", "remount,ro", target)


def mount_volume(target, volume, folder, group):
    target.mkdir(parents=True, exist_ok=True)
    if "secret" in volume:
        mount_secret(target, volume["secret"], folder, group)
    elif "emptyDir" in volume:
        mount("-t", "tmpfs", "-o", f"mode=2777,gid={group}", "empty", target)
    else:
        sys.exit(f"pod.py cannot mount the volume {volume['name']}")


def mount_system(root):
    for name in ("proc", "dev"):
        (root / name).mkdir(exist_ok=True)
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", root / "proc")
    mount("-t", "tmpfs", "-o", "mode=0755,size=64k", "dev", root / "dev")
    for device in ("null", "zero", "random", "urandom"):
        (root / "dev" / device).touch()
        mount("--bind", f"/dev/{device}", root / "dev" / device)
    # The kubelet writes names of hosts; this one has the database's.
    (root / "etc" / "hosts").write_text(Path("/etc/hosts").read_text())


def become(root, pod):
    """The user of the pod, with nothing that it could become root by."""
    held = pod["securityContext"]
    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([held["fsGroup"]])
    os.setresgid(*[held["runAsGroup"]] * 3)
    os.setresuid(*[held["runAsUser"]] * 3)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("cannot give up new privileges")


def run(manifests, kind, root, folder):
    pod, root = pod_of(manifests, kind), Path(root)
    container = pod["containers"][0]
    security = container["securityContext"]
    if security["capabilities"] != {"drop": ["ALL"]} or security["allowPrivilegeEscalation"]:
        sys.exit("pod.py runs pods without capabilities and without new privileges alone")
    mount("--bind", root, root)
    mount_system(root)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for held in container["volumeMounts"]:
        target = root / held["mountPath"].lstrip("/")
        mount_volume(target, volumes[held["name"]], Path(folder), pod["securityContext"]["fsGroup"])
    if security["readOnlyRootFilesystem"]:
        mount("-o", "remount,bind,ro", root)
    variables = {item["name"]: item["value"] for item in container["env"]}
    command = [*container["command"], *container["args"]]
    become(root, pod)
    os.execve(command[0], command, {"PATH": PATH, **variables})


if __name__ == "__main__":
    {"field": field, "variable": variable, "secrets": secrets, "run": run}[sys.argv[1]](*sys.argv[2:])
