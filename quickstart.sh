#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# ./quickstart.sh             installs what is missing, builds, runs the demo
# ./quickstart.sh test        installs what tests need too, builds, runs the default tests
# ./quickstart.sh test --all  the same with the slow tests, valgrind, sanitizers and long fuzzing
#
# Packages of the system are installed with apt where that is allowed (root, or sudo without a password); otherwise it
# says what is missing, and stops. Everything else goes into ./build, and nothing into your home directory.
set -eu

cd "$(dirname "$0")"
source_dir=$PWD
build=$source_dir/build
tools=$build/tools/bin
# What is left behind (environments, caches of uv, pip and the scanner, states) stays in the build folder.
export XDG_CACHE_HOME=$build/cache XDG_STATE_HOME=$build/state
# uv trusts the certificates of the system, as all the other programs here do.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS-true}
# The system's own: `python3` on PATH may belong to a version manager, without venv, headers and gi.
python=/usr/bin/python3
# None that is newer than what the tree was tried with: another one may find something else.
ruff_requirement='ruff>=0.14,<=0.17.6'
uv_requirement='uv>=0.5,<=0.13.9'
fuzz_seconds=300

say() {
  printf '\033[1m==>\033[0m %s\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi
}

fail() {
  printf 'quickstart.sh: %s\n' "$*" >&2
  exit 1
}

usage() {
  sed -n 's/^# \{0,1\}//; 4,9p' "$0"
}

# --- what is missing --------------------------------------------------------------------------------------------------

missing=()

# need PACKAGE COMMAND…: the Debian package to install unless the command succeeds.
need() {
  local package=$1
  shift
  case " ${missing[*]-} " in
    *" $package "*) return ;;
  esac
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_program() {
  command -v "$1"
}

# A program of that name may be the shim of a version manager, which fails.
has_working() {
  command -v "$1" && "$1" --version
}

has_pkg() {
  pkg-config --exists "$1"
}

has_python_headers() {
  "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")'
}

has_python_modules() {
  local name
  for name; do
    "$python" -c "import $name" || return
  done
}

can_compile() {
  printf '#include <stdio.h>\nint main (void) { return 0; }\n' | cc -x c -o /dev/null -
}

find_missing_for_build() {
  need build-essential can_compile
  need pkg-config has_program pkg-config
  need ninja-build has_program ninja
  need meson has_program meson
  need libglib2.0-dev has_pkg gio-unix-2.0
  need libjson-glib-dev has_pkg json-glib-1.0
  need python3 test -x "$python"
  need python3-dev has_python_headers
  # Hosts in Python.
  need python3-gi has_python_modules gi
  need gobject-introspection has_program g-ir-scanner
  need libgirepository1.0-dev has_pkg gobject-introspection-1.0
  need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
  if ! has_working uv >/dev/null 2>&1 && [ ! -x "$tools/uv" ]; then
    need python3-venv has_python_modules venv ensurepip
  fi
}

has_gtk() {
  "$python" -c "import gi; gi.require_version('Gtk', '$1')"
}

find_missing_for_tests() {
  need python3-venv has_python_modules venv ensurepip
  need gjs has_program gjs
  need valac has_program valac
  # Requirements that are repositories.
  need git has_program git
  need gi-docgen has_program gi-docgen
  need man-db has_program man
  need binutils has_program nm
  need xvfb has_program xvfb-run
  need xauth has_program xauth
  need gir1.2-gtk-3.0 has_gtk 3.0
  need gir1.2-gtk-4.0 has_gtk 4.0
  # PyGObject is built from its sources for the other Pythons.
  need libcairo2-dev has_pkg cairo
}

find_missing_for_all_tests() {
  need valgrind has_program valgrind
  need clang has_program clang
}

install_missing() {
  [ ${#missing[@]} -gt 0 ] || return 0
  local command=(apt-get install -y --no-install-recommends "${missing[@]}")
  if ! command -v apt-get >/dev/null; then
    fail "these are missing (by their Debian names): ${missing[*]}. Install what your distribution calls them, and start again."
  fi
  local become=()
  if [ "$(id -u)" -ne 0 ]; then
    become=(sudo -n)
    if ! command -v sudo >/dev/null; then
      fail "these packages are missing, and only root can install them, with
  apt-get update && ${command[*]}
Then start again."
    fi
    if ! sudo -n true 2>/dev/null; then
      fail "these packages are missing, and installing them needs your password:
  sudo apt-get update && sudo ${command[*]}
Then start again."
    fi
  fi
  say "Installing with apt: ${missing[*]}"
  "${become[@]}" apt-get update -qq
  # env, as sudo drops variables.
  "${become[@]}" env DEBIAN_FRONTEND=noninteractive "${command[@]}" -qq -o Dpkg::Use-Pty=0
}

check_versions() {
  local wanted
  for wanted in 'gio-unix-2.0 >= 2.74' 'json-glib-1.0 >= 1.6'; do
    pkg-config --exists "$wanted" ||
      fail "$wanted is needed, and this system has ${wanted%% *} $(pkg-config --modversion "${wanted%% *}"): Debian 12 or Ubuntu 23.04 and later have it."
  done
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "$python is older than 3.9"
}

# --- tools from PyPI, in the build folder ------------------------------------------------------------------------------

# install_tool NAME REQUIREMENT: the venv's own bin is not for PATH, as it holds a python3 too; links to the tools are.
install_tool() {
  [ -x "$tools/$1" ] && "$tools/$1" --version >/dev/null 2>&1 && return
  say "Installing $1 from PyPI into build/tools"
  [ -x "$build/tools/venv/bin/pip" ] || "$python" -m venv "$build/tools/venv"
  "$build/tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$2"
  mkdir -p "$tools"
  ln -sf "../venv/bin/$1" "$tools/$1"
}

prepare_tools() {
  if [ -e "$build" ] && [ ! -w "$build" ]; then
    fail "$build belongs to somebody else (made by root?): remove it, and start again."
  fi
  mkdir -p "$build"
  if ! has_working uv >/dev/null 2>&1; then
    install_tool uv "$uv_requirement"
  fi
  if [ "$1" = test ]; then
    install_tool ruff "$ruff_requirement"
  fi
  export PATH="$tools:$PATH"
}

# --- build and run -----------------------------------------------------------------------------------------------------

configure() {
  local reconfigure=()
  [ -f "$build/build.ninja" ] && reconfigure=(--reconfigure)
  if [ -n "${CI:-}" ]; then
    set -- "$@" -Dwerror=true
  fi
  meson setup "${reconfigure[@]}" "$build" "$source_dir" "$@"
}

compile() {
  say "Building in $build"
  ninja -C "$build"
}

# An interpreter for which numpy 1.x has wheels. Where there is none, uv brings one.
demo_python() {
  local name probe='import sys; assert (3, 9) <= sys.version_info < (3, 13); print(sys.executable)'
  for name in "$python" python3.12 python3.11 python3.10 python3.9; do
    "$name" -c "$probe" 2>/dev/null && return
  done
  uv python install --quiet --install-dir "$build/tools/python" 3.12 >&2 ||
    fail "the demo needs a Python from 3.9 to 3.12, which this system lacks, and uv could not bring one"
  UV_PYTHON_INSTALL_DIR=$build/tools/python uv python find --no-project 3.12
}

run_demo() {
  local interpreter options=(-Dexamples=enabled -Dintrospection=enabled)
  # What only tests need is not built; but a build folder that has it keeps it.
  [ -f "$build/build.ninja" ] || options+=(-Dtests=disabled -Dvapi=disabled)
  configure "${options[@]}"
  compile
  interpreter=$(demo_python)
  say "Running the demo with $interpreter: three extensions that no single Python process can hold"
  meson devenv -C "$build" \
    "$build/examples/three-extensions/three-extensions" --python "$interpreter"
  say "Running a node-based application in miniature, with a host in Python"
  meson devenv -C "$build" "$python" "$source_dir/examples/hello-node/main.py" \
    --python "$interpreter" --picture "$build/hello-node.png"
  say "The picture that a node made is build/hello-node.png"
}

# run_tests BUILD SETUP [ARG…]: a failure is remembered; the report at the end decides.
logs=()
fuzzing=good
run_tests() {
  local folder=$1 setup=$2
  shift 2
  local log=$folder/meson-logs/testlog-$setup.json
  rm -f "$log"
  logs+=("$log")
  say "Testing: $setup"
  meson test -C "$folder" --no-rebuild --print-errorlogs --setup "$setup" "$@" || true
  [ -f "$log" ] || fail "meson test ended without a log"
}

run_sanitizer() {
  say "Building and testing with the $1 sanitizer"
  local log=$build/$1/meson-logs/testlog-$2.json
  rm -f "$log"
  logs+=("$log")
  "$source_dir/.ci/sanitize" "$1" "$source_dir" "$build/$1" || true
  [ -f "$log" ] || fail "the build with the $1 sanitizer failed"
}

run_all_tests() {
  run_tests "$build" slow --suite slow
  run_tests "$build" valgrind
  run_sanitizer address asan
  run_sanitizer thread tsan
  say "Fuzzing for $fuzz_seconds seconds a target"
  "$source_dir/.ci/fuzz" "$source_dir" "$build/fuzz" "$fuzz_seconds" || fuzzing=failed
}

report() {
  local strict=()
  [ -n "${CI:-}" ] && strict=(--strict)
  [ "$fuzzing" = good ] || say "Fuzzing failed: see above"
  "$python" "$source_dir/.ci/report.py" "${strict[@]}" \
    --allowed "$source_dir/tests/skips-allowed.txt" "${logs[@]}" && [ "$fuzzing" = good ]
}

main() {
  local what=demo all=no
  case "${1:-}" in
    '') ;;
    test) what='test' ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  if [ $# -gt 1 ]; then
    [ "$what $2 $#" = "test --all 2" ] || { usage >&2 && exit 2; }
    all=yes
  fi

  find_missing_for_build
  if [ $what = test ]; then
    find_missing_for_tests
    if [ $all = yes ]; then
      find_missing_for_all_tests
    fi
  fi
  install_missing
  check_versions
  prepare_tools $what

  if [ $what = demo ]; then
    run_demo
  else
    configure -Dexamples=enabled -Dtests=enabled -Dintrospection=enabled -Dvapi=enabled -Ddocs=enabled
    compile
    run_tests "$build" default
    if [ $all = yes ]; then
      run_all_tests
    fi
    report
  fi
}

main "$@"
