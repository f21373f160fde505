#!/bin/sh
# Makes or updates the virtual environment .venv.
#
# usage: environment.sh run|test|dev
#
#   run    the library and the command line
#   test   and what `make test` and `make lint` need
#   dev    and what a developer needs
#
# PYTHON  the interpreter to use (default: the newest of those found, 3.11 or later)
# TORCH   what to hand to `pip install` for PyTorch, such as "torch" for the CUDA build on Linux;
#         when it is empty an installed PyTorch is kept, and where there is none the CPU build is taken
set -eu
cd "$(dirname "$0")/.."

level=${1:?usage: environment.sh run|test|dev}
venv=.venv
torch_version=2.13.0

say() {
    echo "environment: $*"
}

fail() {
    echo "environment: $*" >&2
    exit 2
}

# --- Python -------------------------------------------------------------------------------------

candidates=${PYTHON:-python3.13 python3.12 python3.11 python3}

# The first candidate that runs this Python statement.
first_python_that_can() {
    for candidate in $candidates; do
        if "$candidate" -c "$1" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

is_recent='import sys; assert sys.version_info >= (3, 11)'

complete_python() {
    # Debian ships Python without ensurepip, which venv needs.
    first_python_that_can "$is_recent; import ensurepip, venv"
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    as_root=
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root="sudo -n"
    fi
    say "installing $* with apt-get"
    $as_root apt-get update -qq >/dev/null 2>&1 || true
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

install_python() {
    recent=$(first_python_that_can "$is_recent")
    if [ -n "$recent" ]; then
        version=$("$recent" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        apt_install "python$version-venv" || apt_install python3-venv || true
        return
    fi
    # An older release's own Python may be too old while a newer one is packaged beside it.
    for name in python3 python3.13 python3.12 python3.11; do
        apt_install "$name" "$name-venv" || true
        [ -z "$(complete_python)" ] || return 0
    done
}

make_virtual_environment() {
    python=$(complete_python)
    if [ -z "$python" ]; then
        install_python
        python=$(complete_python)
    fi
    [ -n "$python" ] || fail "Python 3.11 or later with its venv module is needed and was not found;" \
        "install it (Debian, Ubuntu: sudo apt-get install python3 python3-venv; macOS: brew install python) and try again"
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" || fail "$venv could not be made with $python"
}

# --- PyTorch ------------------------------------------------------------------------------------

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check "$@"
}

install_torch() {
    if [ -n "${TORCH:-}" ]; then
        say "installing $TORCH"
        pip uninstall -qq --yes torch
        # Unquoted: it may hold an option, such as --index-url.
        # shellcheck disable=SC2086
        pip install -qq $TORCH || fail "pip could not install $TORCH"
        return
    fi
    if pip show -qq torch 2>/dev/null; then
        return
    fi
    say "installing PyTorch $torch_version (CPU build)"
    if [ "$(uname -s)" != Darwin ]; then
        # The first finds a CPU build in a local wheel folder or index; PyPI itself has none for Linux.
        if pip install -qq "torch==$torch_version+cpu" 2>/dev/null; then return; fi
        if pip install -qq --retries 1 --index-url https://download.pytorch.org/whl/cpu \
            "torch==$torch_version" 2>/dev/null; then return; fi
        say "no CPU build within reach: taking PyPI's build, on Linux several GB with CUDA"
    fi
    pip install -qq "torch==$torch_version" || fail "pip could not install PyTorch; is the network reachable?"
}

# --- Qt -------------------------------------------------------------------------------------------

# What PySide6 needs even without a screen; with it the tests run the Slicer module (Testing/Host).
install_qt_libraries() {
    [ "$(uname -s)" = Linux ] || return 0
    missing=$("$venv/bin/python" -c 'from ctypes.util import find_library as find
packages = {"glib-2.0": "libglib2.0-0", "dbus-1": "libdbus-1-3", "fontconfig": "libfontconfig1", "xkbcommon": "libxkbcommon0"}
print(*(package for name, package in packages.items() if not find(name)))')
    [ -n "$missing" ] || return 0
    # Unquoted: several names.
    # shellcheck disable=SC2086
    apt_install $missing || say "the tests of the Slicer module need $missing, which could not be installed"
}

# --- DMRIPretrain ---------------------------------------------------------------------------------

install_package() {
    case $level in
        run) package=. ;;
        *) package=".[$level]" ;;
    esac
    # Pinning PyTorch to what is installed keeps pip from replacing it with another build.
    constraints="$venv/constraints.txt"
    "$venv/bin/python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >"$constraints"
    say "installing DMRIPretrain and what it needs ($level)"
    pip install -qq --constraint "$constraints" --editable "$package" ||
        fail "pip could not install DMRIPretrain; the lines above tell why"
}

# --- OpenGL ---------------------------------------------------------------------------------------

# The tests of the scene layer draw with VTK, which ends the process where these libraries are missing.
install_opengl() {
    [ "$(uname -s)" = Linux ] || return 0
    missing=$("$venv/bin/python" -c 'from ctypes.util import find_library as find
print(*(package for name, package in (("GL", "libgl1"), ("EGL", "libegl1")) if not find(name)))')
    [ -n "$missing" ] || return 0
    # Unquoted: one or two names.
    # shellcheck disable=SC2086
    apt_install $missing || say "the tests of the scene layer need $missing, which could not be installed"
}

# What `make` looks at to see that nothing is left to do; a level holds the ones below it.
mark_ready() {
    touch "$venv/.ready-run"
    if [ "$level" != run ]; then touch "$venv/.ready-test"; fi
    if [ "$level" = dev ]; then touch "$venv/.ready-dev"; fi
}

pip --version >/dev/null 2>&1 || make_virtual_environment
if [ "$level" != run ]; then install_qt_libraries; fi
install_torch
install_package
if [ "$level" != run ]; then install_opengl; fi
mark_ready
