# shellcheck shell=bash
# Sourced by the scripts beside it: installs what is missing, and nothing when nothing is.
# Root or sudo is used only for Debian packages that are absent; without either, the command to run is printed.

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "Root is needed for: $*"
        say "Run it as root, then call this again."
        exit 2
    fi
}

# COMMAND=PACKAGE, one a line: what the rig and the reference guest's builder call.
needed_commands='
qemu-system-x86_64=qemu-system-x86
qemu-img=qemu-utils
python3=python3
mke2fs=e2fsprogs
debugfs=e2fsprogs
e2fsck=e2fsprogs
dpkg-deb=dpkg
apt-get=apt
flock=util-linux
git=git
'

missing_packages() {
    local pair
    # Debian keeps some of these where a user's PATH does not lead.
    local PATH="$PATH:/usr/sbin:/sbin"
    for pair in $needed_commands; do
        command -v "${pair%%=*}" >/dev/null || printf '%s\n' "${pair#*=}"
    done
    python3 -c 'import ensurepip, venv' 2>/dev/null || printf 'python3-venv\n'
    ls /usr/share/qemu/firmware/*edk2-x86_64*.json >/dev/null 2>&1 || printf 'ovmf\n'
}

install_packages() {
    local packages
    packages=$(missing_packages | sort -u | tr '\n' ' ')
    if [ -n "${packages// /}" ]; then
        say "Installing Debian packages: $packages"
        as_root apt-get update -q
        # shellcheck disable=SC2086  # the list is meant to be split
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages
    fi
    # The reference guest is built from packages that apt must know of; a bare container has empty lists.
    if ! apt-cache show linux-image-amd64 >/dev/null 2>&1; then
        as_root apt-get update -q
    fi
}

make_venv() {
    local wanted stamp=.venv/.rig-stamp
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        say "Python 3.11 or newer is needed, found $(python3 --version)."
        exit 2
    }
    wanted=$(cat pyproject.toml ci/constraints.txt ci/setup.sh <(python3 --version; pwd) | sha256sum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    (
        # Two calls at once: the second waits, then finds the work done.
        flock 9
        [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0
        say "Making .venv (versions of ci/constraints.txt)"
        rm -f "$stamp"
        python3 -m venv --clear .venv
        # The environment variable, unlike -c, also pins what builds the rig itself.
        PIP_CONSTRAINT="$PWD/ci/constraints.txt" .venv/bin/python -m pip install \
            --quiet --disable-pip-version-check --editable '.[dev]'
        printf '%s\n' "$wanted" >"$stamp"
    ) 9>"${TMPDIR:-/tmp}/rig-setup-$(id -u)-$(pwd | cksum | cut -d' ' -f1).lock"
}

setup() {
    install_packages
    make_venv
}
