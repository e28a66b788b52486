"""A small machine under qemu whose only program is ringdrop: Debian's own kernel of this release, an initial file system in
memory with the program and its libraries, and one ext4 disk. Killing qemu is the power cut: what the guest's kernel had not
written is gone.

Needs the packages of `sh deploy/packages.sh nightly`, and the network once, for the kernel's package."""

import re
import shutil
import socket
import subprocess
from pathlib import Path

from harness import Server, programs, wait_until

BOOT_PATIENCE = 240  # seconds; it takes about five, without KVM, which is not there or broken on many machines
MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "ext4"]
INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
for module in @modules@; do $b modprobe $module; done
for wait in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && break; $b sleep 0.2; done
$b mount -t ext4 /dev/vda /data || { echo 'GUEST: no disk'; $b poweroff -f; }
$b ifconfig lo 127.0.0.1 up
$b ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
ulimit -n 20000
ulimit -l unlimited
echo "GUEST: Linux $($b uname -r)"
(until $b wget -q -O /dev/null http://127.0.0.1:8080/healthz; do $b sleep 0.2; done
/bin/ringdrop fsck --data-dir /data/ringdrop
echo "GUEST: fsck ended with $?") &
/bin/ringdrop serve --data-dir /data/ringdrop --listen 0.0.0.0:8080 @options@
echo "GUEST: ringdrop ended with $?"
$b poweroff -f
"""


def run(*words, cwd=None):
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True).stdout


def libraries_of(program):
    """The shared libraries that it needs, and its loader."""
    found = re.findall(r"(?:=> |^\s*)(/\S+)", run("ldd", str(program)), re.MULTILINE)
    return sorted({Path(path) for path in found})


def unpack_kernel(directory):
    """Debian's cloud kernel of this release, below `directory`; its version."""
    root = directory / "kernel"
    if not root.exists():
        depends = run("apt-cache", "depends", "linux-image-cloud-amd64")
        package = re.search(r"Depends: (linux-image\S+)", depends).group(1)
        run("apt-get", "download", package, cwd=directory)
        run("dpkg", "-x", str(next(directory.glob(f"{package}_*.deb"))), str(root))
    return root, next((root / "lib/modules").iterdir()).name


def copy_modules(root, version, tree):
    """The modules with all that they need, so that modprobe finds them."""
    run("depmod", "-b", str(root), version)
    wanted = run("modprobe", "-d", str(root), "-S", version, "-a", "-D", *MODULES, "crc32c_generic")
    for path in set(re.findall(r"insmod (\S+)", wanted)):
        target = tree / Path(path).relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(root / "lib/modules" / version / name, tree / "lib/modules" / version / name)
    run("depmod", "-b", str(tree), version)


def make_initramfs(directory, root, version, options):
    tree = directory / "initramfs"
    for name in ("bin", "proc", "sys", "dev", "data", "tmp"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/busybox")
    for name in ("sh", "modprobe"):
        (tree / "bin" / name).symlink_to("busybox")
    shutil.copy(programs.ringdrop, tree / "bin/ringdrop")
    for library in libraries_of(programs.ringdrop):
        target = tree / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    copy_modules(root, version, tree)
    init = tree / "init"
    init.write_text(INIT.replace("@modules@", " ".join(MODULES)).replace("@options@", " ".join(options)), "ascii")
    init.chmod(0o755)
    packed = directory / "initramfs.gz"
    run("sh", "-c", f"find . | cpio -o -H newc --quiet | gzip -1 > '{packed}'", cwd=tree)
    return packed


class Machine(Server):
    """start() boots it, kill9() cuts its power; what its console says is log()."""

    def __init__(self, directory, *options):
        super().__init__(directory, *options)
        self.directory.mkdir(exist_ok=True)
        root, version = unpack_kernel(self.directory)
        self.kernel = root / f"boot/vmlinuz-{version}"
        self.initramfs = make_initramfs(self.directory, root, version, options)
        self.disk = self.directory / "disk"
        with open(self.disk, "wb") as disk:
            disk.truncate(4 << 30)
        run("mkfs.ext4", "-q", "-F", str(self.disk))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def address(self):
        return "127.0.0.1", self.port

    def command(self):
        return ["qemu-system-x86_64", "-nographic", "-no-reboot", "-m", "1024", "-smp", "2", "-accel", "tcg",
                "-kernel", str(self.kernel), "-initrd", str(self.initramfs),
                "-append", "console=ttyS0 panic=-1 quiet",
                "-drive", f"file={self.disk},format=raw,if=virtio,cache=none",
                "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:8080", "-device", "virtio-net-pci,netdev=net"]

    def start(self):
        self.spawn()
        wait_until(lambda: "listening on" in self.log() or not self.is_running(), "it has booted", BOOT_PATIENCE, 0.1)
        if not self.is_running():
            raise AssertionError(f"the machine ended:\n{self.log()}")
        return self
