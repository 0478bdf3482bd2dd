# shellcheck shell=sh
# For scripts/setup: a Python that fits, and a virtual environment with pip. Sourced by sh.
#
# Debian splits Python: there may be none, or `python3` without the ensurepip of `venv` (package python3-venv). As root
# the packages are installed. Otherwise apt downloads them, verified as ever, into a folder of this user alone.

# Newer ones have no wheels of all packages yet.
fits='import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'

private_python=$(cache_folder)/python

# Sets $python.
find_python() {
    python=$(first_python)
    [ -z "$python" ] || return 0
    [ -z "${TIDEGATE_PYTHON:-}" ] || fail "TIDEGATE_PYTHON=$TIDEGATE_PYTHON is no Python 3.11 to 3.14 with venv"
    command -v apt-get > /dev/null || fail "there is no Python 3.11 to 3.14, and no apt-get to bring one: install Python
with its venv module, or name one in TIDEGATE_PYTHON"
    if [ "$(id -u)" = 0 ]; then
        say "installing Debian's python3 and python3-venv"
        install_packages python3 python3-venv
    else
        say "there is none, and this is not root: taking Debian's into $private_python"
        make_private_python
    fi
    python=$(first_python)
    [ -n "$python" ] || fail "Debian's python3 is no Python 3.11 to 3.14: is this Debian 12 or 13? TIDEGATE_PYTHON may
name another one"
}

# Unpack this release's python3 with all of its libraries, and let its own loader run it.
make_private_python() {
    mkdir -p "${private_python%/*}"
    work=$(mktemp -d "${private_python%/*}/.python-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    download_packages "$work" with-dependencies python3
    loader=$(cd "$work/tree" && find usr/lib lib -name 'ld-linux-*.so.?' 2> /dev/null | head -n 1)
    triplet=$(basename "$(dirname "$loader")")
    real=$(readlink "$work/tree/usr/bin/python3")
    rm "$work/tree/usr/bin/python3"
    # Its name is handed on, so that Python takes the virtual environment that a link to this script lies in.
    cat > "$work/tree/usr/bin/python3" << WRAPPER
#!/bin/sh
exec "$private_python/$loader" --argv0 "\$0" \\
    --library-path "$private_python/usr/lib/$triplet:$private_python/lib/$triplet" \\
    "$private_python/usr/bin/$real" "\$@"
WRAPPER
    chmod +x "$work/tree/usr/bin/python3"
    rm -rf "$private_python"
    mv -T "$work/tree" "$private_python"
    rm -rf "$work"
    trap - EXIT
}

first_python() {
    for candidate in ${TIDEGATE_PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3 "$private_python/usr/bin/python3"}; do
        if path=$(command -v "$candidate") && "$path" -c "$fits" 2> /dev/null; then
            printf '%s\n' "$path"
            return
        fi
    done
}

make_venv() {
    if "$python" -c 'import ensurepip' 2> /dev/null; then
        quietly "$python" -m venv --clear .venv || fail "the virtual environment could not be made (above)"
    elif [ "$(id -u)" = 0 ]; then
        say "installing Debian's python3-venv"
        install_packages python3-venv
        quietly "$python" -m venv --clear .venv || fail "the virtual environment could not be made (above)"
    else
        make_venv_with_private_pip
    fi
}

make_venv_with_private_pip() {
    say "python3-venv is missing, and this is not root: taking Debian's pip into .venv"
    quietly "$python" -m venv --clear --without-pip .venv || fail "the virtual environment could not be made (above)"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    download_packages "$work" alone python3-pip-whl
    wheel=$(find "$work/tree" -name 'pip-*.whl' | head -n 1)
    [ -n "$wheel" ] || fail "Debian's python3-pip-whl holds no pip. Run \`apt-get install python3-venv\` as root"
    quietly .venv/bin/python "$wheel/pip" install --no-index --no-deps --disable-pip-version-check "$wheel" \
        || fail "pip could not be installed into .venv (above)"
    rm -rf "$work"
    trap - EXIT
}

install_packages() {
    # A fresh container has no package lists.
    quietly apt-get -q update || fail "apt-get update failed (above)"
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -q -y --no-install-recommends "$@" \
        || fail "apt-get could not install $* (above)"
}

# download_packages FOLDER alone|with-dependencies NAME...
# Download packages of this machine's own release without any rights, and unpack them into FOLDER/tree.
download_packages() {
    folder=$1 which=$2
    shift 2
    command -v apt-get > /dev/null || fail "apt-get is missing: install python3-venv by hand, or set TIDEGATE_PYTHON"
    mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/tree"
    : > "$folder/status"
    cat > "$folder/apt.conf" << SETTINGS
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
Dir::State "$folder/state/";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache/";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
SETTINGS
    quietly apt-get -c "$folder/apt.conf" -q update || fail "apt-get update failed (above)"
    if [ "$which" = alone ]; then
        (cd "$folder/cache/archives" && quietly apt-get -c "$folder/apt.conf" -q download "$@")
    else
        quietly apt-get -c "$folder/apt.conf" -q -y --download-only install "$@"
    fi || fail "apt-get could not download $* (above)"
    for file in "$folder"/cache/archives/*.deb; do
        dpkg-deb --extract "$file" "$folder/tree"
    done
}
