# What scripts/demo and scripts/test need on this machine, set up where it is missing: system packages, and .venv.
# POSIX shell, to be sourced in the checkout's root: there may be no Python yet.
#
#   . scripts/bootstrap.sh
#   bootstrap agent        # or agent,dev: the project's extras that .venv has to hold
#
# Nothing is installed, and no sudo asked for, where nothing is missing.

# Debian keeps daemons and mount helpers where an ordinary user's PATH does not look.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

bootstrap() {
    install_system_packages && install_venv "$1"
}

# One line each: the package, and what it is needed for.
_system_packages() {
    python_fits || cat <<'LIST'
python3 to run poolfleet
python3-venv for the virtual environment .venv
python3-dev to build libvirt's Python binding
LIST
    cat <<'LIST'
gcc to build libvirt's Python binding
pkg-config to build libvirt's Python binding
libvirt-dev to build libvirt's Python binding
libvirt-daemon the libvirtd that is managed
libvirt-daemon-system the system libvirtd's configuration
libvirt-clients virsh, to look at what was made
qemu-utils qemu-img, for qcow2 volumes
parted to make the partitions of disk pools
qemu-system-x86 an emulator, without which libvirt defines no guest
iproute2 network namespaces for the embedded hosts
procps ps and friends
util-linux mount namespaces for the embedded hosts
postgresql the store of the inventory in a database of a server
LIST
}

python_fits() {
    python3 - 2>/dev/null <<'PYTHON'
import ensurepip, pathlib, sys, sysconfig, venv
headers = pathlib.Path(sysconfig.get_path("include"), "Python.h")
sys.exit(not (sys.version_info >= (3, 11) and headers.exists()))
PYTHON
}

install_system_packages() {
    install_packages "$(_system_packages)" || return
    python_fits && return
    echo "poolfleet needs Python 3.11 or newer as python3, with its headers; here is $(python3 --version 2>&1)" >&2
    return 1
}

# Installs what is missing of a list such as the above.
install_packages() {
    missing='' reasons=''
    while read -r package reason; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
        missing="$missing $package"
        reasons="$reasons${reasons:+; }$package ($reason)"
    done <<LIST
$1
LIST
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "These are missing, and there is no apt-get here to install them: $reasons" >&2
        return 1
    fi
    echo "Installing system packages with apt-get: $reasons"
    _as_root apt-get update -qq || return
    # shellcheck disable=SC2086 # a list of package names
    (export DEBIAN_FRONTEND=noninteractive
        _as_root apt-get install -qq -y --no-install-recommends $missing </dev/null >/dev/null)
}

_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "This needs root, and there is no sudo here: $*" >&2
        return 1
    fi
}

# .venv holds the project as an editable install. Two stamps say what it was made from, so that a second run is quick:
# the packaging (and where the checkout lies, for a virtual environment cannot be moved), and the contract.
install_venv() {
    extras=$1
    packaging="$(pwd -P) $(cat pyproject.toml hatch_build.py | cksum)"
    contract=$(cat protos/poolfleet/v1/*.proto | cksum)
    if [ "$(sed -n 1p .venv/stamp-packaging 2>/dev/null)" != "$packaging" ] || ! _has_extras "$extras"; then
        # What scripts/test installed, scripts/demo does not take away.
        ! _has_extras "$extras" || extras=$(sed -n 2p .venv/stamp-packaging)
        echo "Installing poolfleet[$extras] and what it uses into .venv"
        # One that was copied from elsewhere, or whose interpreter is gone, is of no use.
        if ! .venv/bin/python -c '' 2>/dev/null || _was_made_elsewhere; then
            python3 -m venv --clear .venv || return
        fi
        .venv/bin/python -m pip --disable-pip-version-check install --editable ".[$extras]" >.venv/install.log 2>&1 || {
            cat .venv/install.log >&2
            return 1
        }
        printf '%s\n%s\n' "$packaging" "$extras" >.venv/stamp-packaging
    elif [ "$(cat .venv/stamp-contract 2>/dev/null)" != "$contract" ] || [ ! -e client/poolfleet/v1/__init__.py ]; then
        if _has_extras dev; then
            scripts/gen >/dev/null || return
        else
            rm -f .venv/stamp-packaging
            install_venv "$extras"
            return
        fi
    fi
    printf '%s\n' "$contract" >.venv/stamp-contract
}

_was_made_elsewhere() {
    [ -e .venv/stamp-packaging ] && [ "$(sed -n '1s/ [^ ]* [^ ]*$//p' .venv/stamp-packaging)" != "$(pwd -P)" ]
}

# Whether .venv was installed with every extra of a comma-separated list.
_has_extras() {
    installed=",$(sed -n 2p .venv/stamp-packaging 2>/dev/null),"
    for extra in $(echo "$1" | tr ',' ' '); do
        case "$installed" in *",$extra,"*) ;; *) return 1 ;; esac
    done
}
