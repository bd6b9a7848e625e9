#!/bin/sh
# Makes .venv where it is missing and installs the project into it. PYTHON=... chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

find_python() {
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(find_python) || fail 'no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3'
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "the venv module of $python is missing (on Debian and Ubuntu: apt install $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'))"
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge 3000 ] || fail "about 3000 MB of free disk space are needed here, $free MB are left"
    rm -rf .venv
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv .venv
fi

torch=$(grep '^torch==' constraints.txt)
install() {
    PIP_USER=0 .venv/bin/python -m pip install -qq --disable-pip-version-check "$@" ||
        fail "installing failed, see the lines above; 'make' again goes on from here"
}
echo "setup: installing $torch, then the rest (minutes the first time)"
install "$torch"
install -e '.[test,dev,docs]' -c constraints.txt
# Where the code lies, seen from .venv: so it is found in a copied clone, and in a folder that ASCII cannot spell.
for place in .venv/lib/python*/site-packages/__editable__.projhead-*.pth; do
    [ ! -e "$place" ] || echo ../../../.. >"$place"
done
touch .venv/installed
