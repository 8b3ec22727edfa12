# Sourced by the scripts beside it: makes the virtual environment that they run in.
#
# A virtual environment is finished when a stamp inside it equals what it should be made of.
# The stamp is written last, so one that was interrupted is made again from nothing.

# Tell what an environment made of lock file $1 (and the releases $2) is made of.
_stamp() {
  printf '%s\n' "$root" "${2:-}"
  (cd "$root" && cksum "$1" pyproject.toml ${2:+requirements-matrix.lock})
}

_say() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
}

# Print a Python that can make the environment.
_python() {
  local python half=
  for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if command -v uv >/dev/null || "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      command -v "$python"
      return
    fi
    half=$python
  done
  if command -v uv >/dev/null; then
    echo ">=3.11" # uv knows of others, and can fetch one
  elif [ -n "$half" ]; then
    _say "$half cannot make a virtual environment. Install its venv module (on Debian: apt install python3-venv), or uv."
    return 1
  else
    _say "Python 3.11 or newer was not found. Install it, or name it: PYTHON=/path/to/python $0"
    return 1
  fi
}

# Install into environment $1 with pip's arguments $2...
_install() {
  local venv=$1
  shift
  if command -v uv >/dev/null; then
    env -u UV_REQUIRE_HASHES uv pip install --quiet --python "$venv/bin/python" "$@" >&2
  else
    # Settings for other places (hashes for all, the user's own folder) do not fit here.
    env -u PIP_REQUIRE_HASHES PIP_USER=0 "$venv/bin/python" -m pip install --quiet \
      --disable-pip-version-check --no-input "$@" >&2
  fi
}

_create() {
  local venv=$1 python
  python=$(_python) || return
  rm -rf "$venv"
  mkdir "$venv" || return
  : >"$venv/.unfinished"
  if command -v uv >/dev/null; then
    uv venv --quiet --allow-existing --python "$python" "$venv" >&2
  else
    "$python" -m venv "$venv" >&2
  fi
}

_usable() {
  [ ! -e "$1/.unfinished" ] && [ -x "$1/bin/python" ] &&
    { command -v uv || "$1/bin/python" -m pip --version; } >/dev/null 2>&1 &&
    "$1/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Wait until no other process works on environment $1.
_lock() {
  if command -v flock >/dev/null; then
    exec 9<"$root" # the folder itself: no file is left behind
    flock 9
    return
  fi
  local lock=$1.lock holder
  until mkdir "$lock" 2>/dev/null; do
    holder=$(cat "$lock/pid" 2>/dev/null) || holder=
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
      # Only one of those who wait can move it away.
      mv "$lock" "$lock.$$" 2>/dev/null && rm -rf "$lock.$$"
    else
      sleep 0.2
    fi
  done
  echo $$ >"$lock/pid"
}

_unlock() {
  if command -v flock >/dev/null; then
    exec 9<&-
  else
    rm -rf "$1.lock"
  fi
}

_make() {
  local venv=$1 stamp=$2 lock=$3 releases=${4:-}
  _usable "$venv" || _create "$venv" || return
  : >"$venv/.unfinished"
  rm -f "$venv"/.made-of-*
  _install "$venv" --require-hashes -r "$root/$lock" || return
  if [ -n "$releases" ]; then
    # With their hashes, which requirements-matrix.lock has.
    awk -v wanted=" $releases " '/^[a-z]/ { on = index(wanted, " " $1 " ") } on' \
      "$root/requirements-matrix.lock" >"$venv/releases.txt"
    _install "$venv" --require-hashes --no-deps -r "$venv/releases.txt" || return
  fi
  # The lock has the build backend, so that this downloads nothing.
  _install "$venv" --no-deps --no-build-isolation -e "$root" || return
  if [ -n "$releases" ]; then
    _take_away_unfit "$venv" || return # the lock's own were chosen to go together
  fi
  _stamp "$lock" "$releases" >"$stamp"
  rm "$venv/.unfinished"
}

# Take what needs other releases than those of environment $1 out of it; bridge itself must fit.
_take_away_unfit() {
  local unfit
  unfit=$("$1/bin/python" "$root/tests/support/unfit.py") || return
  [ -n "$unfit" ] || return 0
  _say "taken away, for it needs other releases:"$'\n'"$unfit"
  if printf '%s\n' "$unfit" | grep -q '^eai-bridge '; then
    return 1
  fi
  set -- "$1" $(printf '%s\n' "$unfit" | cut -d ' ' -f 1)
  if command -v uv >/dev/null; then
    uv pip uninstall --quiet --python "$1/bin/python" "${@:2}" >&2
  else
    "$1/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check "${@:2}" >&2
  fi
}

# Whether environment $1 is made of lock file $2 (and the releases $3).
_is_made() {
  local stamp=$1/.made-of-$2
  [ -e "$stamp" ] && [ -x "$1/bin/python" ] && [ ! -e "$1/.unfinished" ] &&
    [ "$(<"$stamp")" = "$(_stamp "$2" "${3:-}")" ]
}

# Make environment $1 (a name in the repository) of lock file $2, and of the releases $3
# ("sqlalchemy==2.0.30 typer==...") in place of what the lock says. One that is finished costs a few
# milliseconds.
ensure_venv() {
  local venv=$root/$1 lock=$2 releases=${3:-} status=0
  ! _is_made "$venv" "$lock" "$releases" || return 0
  # The development environment has all that `eai` needs.
  ! _is_made "$venv" requirements-dev.lock "$releases" || return 0
  _lock "$venv"
  if ! _is_made "$venv" "$lock" "$releases"; then # another process may have been faster
    _say "making $1 from $lock${releases:+, with $releases}; this happens once"
    _make "$venv" "$venv/.made-of-$lock" "$lock" "$releases" || status=$?
  fi
  _unlock "$venv"
  if [ $status -ne 0 ]; then
    _say "$1 could not be made; the next call tries again"
  fi
  return $status
}
