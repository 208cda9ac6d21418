# SPDX-License-Identifier: Apache-2.0
"""`make cluster`, `destroy`, `molecule`, `torture`: choose the kind of hosts, make them, run the playbook, say how far it is.

Both kinds of hosts get the same playbook and the same roles; only the inventory differs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import scenarios
from progress import StepFailedError, Steps

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
DOCKER_INVENTORY = ROOT / "inventories" / "docker.yml"
FAULTS_INVENTORY = ROOT / "molecule" / "faults" / "inventory"
LOCAL_INVENTORY = ROOT / "inventories" / "local.yml"
LOCAL_DIRECTORY = ROOT / ".cluster"
LOGS = ROOT / ".cache" / "logs"

DOCKER_TEXT = """
The cluster is up. It listens at
  kafka1  192.168.10.10:9092    ZooKeeper 192.168.10.10:2181
  kafka2  192.168.10.11:9092
Try next:
  docker exec -it kafka1 /opt/kafka/bin/kafka-topics.sh --describe --zookeeper kafka1:2181 --topic test
  docker exec -it kafka1 /opt/kafka/bin/kafka-console-producer.sh --broker-list kafka1:9092 --topic test
  docker exec -it kafka2 /opt/kafka/bin/kafka-console-consumer.sh --zookeeper kafka1:2181 --from-beginning --topic test
`make destroy` removes it."""

LOCAL_TEXT = """
The cluster is up. It listens at
  kafka1  127.10.0.10:9092    ZooKeeper 127.10.0.10:2181
  kafka2  127.10.0.11:9092
Try next:
  .cluster/kafka1/bin/kafka-topics.sh --describe --zookeeper 127.10.0.10:2181 --topic test
  .cluster/kafka1/bin/kafka-console-producer.sh --broker-list 127.10.0.10:9092 --topic test
  .cluster/kafka2/bin/kafka-console-consumer.sh --zookeeper 127.10.0.10:2181 --from-beginning --topic test
`make destroy` removes it."""


def docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def chosen_kind() -> str:
    """docker or local, said in one line."""
    wanted = os.environ.get("VMS", "")
    if wanted not in ("", "docker", "local"):
        sys.exit(f"make: VMS: '{wanted}' is not known; allowed are docker and local")
    engine = wanted != "local" and docker_answers()
    if engine:
        print("Docker mode: the hosts kafka1 and kafka2 are containers that run systemd.")
        return "docker"
    if wanted == "docker":
        sys.exit("make: VMS=docker, and no Docker engine answers; start one (as root: dockerd), or use VMS=local")
    reason = "as VMS=local asks" if wanted else "since no Docker engine answers"
    print(f"Local mode, {reason}: ZooKeeper and both brokers run as processes of this machine, in .cluster/.")
    return "local"


def ansible(inventory: Path, playbook: str, *more: str) -> list[str]:
    return [str(BIN / "ansible-playbook"), "-i", str(inventory), str(ROOT / playbook), *more]


def environment(**more: str) -> dict[str, str]:
    colour = {"ANSIBLE_FORCE_COLOR": "1"} if sys.stdout.isatty() else {}
    # Named, since Ansible takes no ansible.cfg from a directory that others may write to.
    return {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "0", **colour, **more}


def build_image(steps: Steps, kind: str = "") -> str:
    """The image of a fresh host, or, with the kind `installed`, of one that has the packages already."""
    image = steps.run(f"The image of the {kind or 'fresh'} hosts", [str(ROOT / "vms" / "build-image.sh"), kind])
    return image.splitlines()[-1]


def create() -> None:
    local = chosen_kind() == "local"
    steps = Steps(1 if local else 3, LOGS / "cluster")
    if not local:
        image = build_image(steps)
        create_hosts = ansible(DOCKER_INVENTORY, "vms/create.yml")
        steps.run("The hosts kafka1 and kafka2", create_hosts, environment=environment(VM_IMAGE=image))
    inventory = LOCAL_INVENTORY if local else DOCKER_INVENTORY
    make_cluster = ansible(inventory, "playbooks/cluster.yml", "--extra-vars", '{"cluster_prove": true}')
    steps.run("The cluster, by playbooks/cluster.yml", make_cluster, show=True, environment=environment())
    print(LOCAL_TEXT if local else DOCKER_TEXT)
    print(f"It took {steps.elapsed()} minutes.")


def destroy_local() -> None:
    # Brokers before ZooKeeper: an orderly stop says goodbye there.
    for name in ("kafka", "zookeeper"):
        for control in sorted(LOCAL_DIRECTORY.glob(f"*/run/{name}.sh")):
            subprocess.run([str(control), "stop"], check=False)
    shutil.rmtree(LOCAL_DIRECTORY, ignore_errors=True)


def remove_images() -> None:
    for name in ("commitlog-vm-installed", "commitlog-vm", "commitlog-vm-base"):
        listed = subprocess.run(["docker", "image", "ls", "--quiet", name], capture_output=True, text=True, check=True)
        if images := list(dict.fromkeys(listed.stdout.split())):
            subprocess.run(["docker", "image", "rm", "--force", *images], check=False)


def destroy() -> None:
    steps = Steps(1, LOGS / "destroy")
    if LOCAL_DIRECTORY.exists():
        destroy_local()
        print("Removed the local cluster.")
    if docker_answers():
        steps.run("Removing the hosts and their network", ansible(DOCKER_INVENTORY, "vms/destroy.yml"), environment=environment())
        if os.environ.get("IMAGES") == "1":
            remove_images()


def molecule(only: str = "") -> None:
    chosen = scenarios.chosen(only or os.environ.get("SCENARIO", ""))
    if not docker_answers():
        print(f"SKIPPED: {len(chosen)} Molecule scenario(s) ({', '.join(chosen)}), since no Docker engine answers.")
        return
    scenarios.run(chosen, build_image, begin_within=scenarios.begin_within(), retry=os.environ.get("RETRY") == "1")


def molecule_default() -> None:
    """What `make test` has time for."""
    molecule("default")


def torture() -> None:
    """Three hosts, made unless they are there; the attack; the hosts stay, to be looked at, until they are destroyed."""
    if not docker_answers():
        sys.exit("make: torture needs a Docker engine, and none answers; start one (as root: dockerd)")
    steps = Steps(3, LOGS / "torture")
    image = {"VM_IMAGE": build_image(steps)}
    steps.run(
        "The hosts faults1, faults2 and faults3", ansible(FAULTS_INVENTORY, "vms/create.yml"), environment=environment(**image)
    )
    cluster = ansible(FAULTS_INVENTORY, "playbooks/cluster.yml")
    steps.run("The cluster, by playbooks/cluster.yml", cluster, environment=environment())
    command = [sys.executable, "-m", "torture.run", "--minutes", os.environ.get("MINUTES") or "5"]
    if seed := os.environ.get("SEED"):
        command += ["--seed", seed]
    sys.exit(subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")}, check=False).returncode)


def torture_destroy() -> None:
    steps = Steps(1, LOGS / "destroy")
    steps.run("Removing the attacked hosts", ansible(FAULTS_INVENTORY, "vms/destroy.yml"), environment=environment())


def main() -> None:
    os.chdir(ROOT)
    targets = {
        "create": create,
        "destroy": destroy,
        "molecule": molecule,
        "molecule-default": molecule_default,
        "torture": torture,
        "torture-destroy": torture_destroy,
    }
    if len(sys.argv) != 2 or sys.argv[1] not in targets:
        sys.exit(f"usage: cluster.py {'|'.join(targets)}")
    try:
        targets[sys.argv[1]]()
    except StepFailedError:
        sys.exit(1)


if __name__ == "__main__":
    main()
