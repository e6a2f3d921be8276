#!/usr/bin/env bash
# setup.sh [--test]: installs what is missing to build and run (and to test) on Debian 12 with Rust. Says what first.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

packages=(
  "gcc: links Rust programs"
  "libc6-dev: links Rust programs"
  "pkg-config: finds libraries"
  "libclang-dev: pgrx reads PostgreSQL's headers with it"
  "postgresql-15: the database"
  "postgresql-server-dev-15: headers to build the extension"
)
if [[ ${1:-} == --test ]]; then
  packages+=(
    "postgresql-15-pgtap: tests in SQL"
    "libtap-parser-sourcehandler-pgtap-perl: pg_prove, which runs them"
  )
fi

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }

# Debian would create a cluster and start it. Whoever installs a PostgreSQL for us does not want a server.
no_cluster=/etc/postgresql-common/createcluster.d/pg_campaign.conf

allow_cluster() {
  as_root rm -f "$no_cluster"
  as_root rmdir --ignore-fail-on-non-empty "${no_cluster%/*}"
}

install_packages() {
  if ! installed postgresql-15; then
    trap allow_cluster EXIT
    as_root mkdir -p "${no_cluster%/*}"
    as_root sh -c "echo 'create_main_cluster = false' >'$no_cluster'"
  fi
  apt update && apt install -y --no-install-recommends "$@"
}

command -v cargo >/dev/null ||
  die "cargo is not installed" "pg_campaign is built from source." "Install Rust 1.95 or newer (https://rustup.rs), then try again."
command -v dpkg-query >/dev/null ||
  die "this is not Debian" "Only Debian 12 is prepared automatically." \
    "Elsewhere, install what these stand for: ${packages[*]%%:*}."

missing=() reasons=()
for entry in "${packages[@]}"; do
  if ! installed "${entry%%:*}"; then
    missing+=("${entry%%:*}")
    reasons+=("$entry")
  fi
done
if ((${#missing[@]})); then
  say "Installing Debian packages:"
  printf '      %s\n' "${reasons[@]}"
  [[ $(id -u) == 0 ]] || command -v sudo >/dev/null ||
    die "these packages cannot be installed" "You are not root, and there is no sudo." \
      "As root, run: apt-get install --no-install-recommends ${missing[*]}"
  (install_packages "${missing[@]}") ||
    die "apt-get failed" "See above. By hand, as root: apt-get install --no-install-recommends ${missing[*]}"
fi

if ! cargo_pgrx >/dev/null; then
  say "Installing cargo-pgrx $PGRX_VERSION, which builds the extension, into $TOOLS (about 4 minutes, once)"
  cargo install -q --locked cargo-pgrx --version "$PGRX_VERSION" --root "$TOOLS"
fi
