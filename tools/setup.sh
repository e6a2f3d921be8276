#!/usr/bin/env bash
# setup.sh [--test | --bench]: installs what is missing to build and run (and to test, or for benchmarks) on Debian 12 with Rust. Says
# what first.
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
    "patch: takes guards out of the SQL, by which races must fail"
    "python3-venv: schemathesis, which tests the REST API"
    "libfaketime: wrong clocks, for tests"
    "libdb5.3: Exim, a mail server for tests, needs it"
    "libgnutls-dane0: Exim needs it"
    "libidn12: Exim needs it"
    "libnsl2: Exim needs it"
  )
fi

if [[ ${1:-} == --bench ]]; then
  packages+=("valgrind: counts instructions")
fi
if [[ ${1:-} == --bench ]] && ! command -v npm >/dev/null; then
  packages+=(
    "nodejs: npm needs it"
    "npm: installs the peers that we are compared with"
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

# Exim is not installed: Debian's package would be this machine's mail server, and remove the one that is there.
# libnss-wrapper lets it run as the user who runs the tests, see tests/e2e/src/exim.rs.
fetch_exim() (
  local unpacked=$EXIM.new package
  rm -rf "$unpacked"
  mkdir -p "$unpacked/debs"
  cd "$unpacked/debs"
  apt-get -q download exim4-daemon-light libnss-wrapper >/dev/null 2>&1 ||
    { apt -q update && apt-get -q download exim4-daemon-light libnss-wrapper; } || return 1
  for package in *.deb; do
    dpkg -x "$package" "$unpacked"
  done
  # Not set-user-id: nobody but its caller shall be what runs it.
  install -m 755 "$unpacked/usr/sbin/exim4" "$unpacked/exim"
  install -m 644 "$unpacked"/usr/lib/*/libnss_wrapper.so "$unpacked/libnss_wrapper.so"
  rm -rf "$unpacked/debs" "$unpacked/usr" "$unpacked/etc" "$unpacked/var" "$unpacked/lib"
  rm -rf "$EXIM"
  mv "$unpacked" "$EXIM"
)

if [[ ${1:-} == --test && ! -x $EXIM/exim ]]; then
  say "Unpacking Debian's exim4-daemon-light and libnss-wrapper, for tests, into $EXIM"
  fetch_exim ||
    die "Exim cannot be fetched" "See above. The packages are exim4-daemon-light and libnss-wrapper."
fi

# In an environment of its own: nothing of this machine's Python changes.
install_schemathesis() {
  rm -rf "$SCHEMATHESIS"
  /usr/bin/python3 -m venv "$SCHEMATHESIS" &&
    "$SCHEMATHESIS/bin/pip" install -q --disable-pip-version-check -r tests/api/requirements.txt &&
    cp tests/api/requirements.txt "$SCHEMATHESIS/"
}

if [[ ${1:-} == --test ]] && ! cmp -s tests/api/requirements.txt "$SCHEMATHESIS/requirements.txt"; then
  say "Installing schemathesis, which tests the REST API, into $SCHEMATHESIS"
  install_schemathesis ||
    die "schemathesis cannot be installed" "See above. What it needs is in tests/api/requirements.txt."
fi

# Not installed either: Debian's package would be this machine's mail server.
fetch_smtp_sink() (
  local unpacked=$SMTP_SINK.new
  rm -rf "$unpacked"
  mkdir -p "$unpacked/debs"
  cd "$unpacked/debs"
  apt-get -q download postfix >/dev/null 2>&1 || { apt -q update && apt-get -q download postfix; } || return 1
  dpkg -x postfix_*.deb "$unpacked"
  dpkg-deb -f postfix_*.deb Version >"$unpacked/version"
  install -m 755 "$unpacked/usr/sbin/smtp-sink" "$unpacked"/usr/lib/postfix/libpostfix-{global,util}.so "$unpacked/"
  rm -rf "$unpacked/debs" "$unpacked/usr" "$unpacked/etc" "$unpacked/var" "$unpacked/lib"
  rm -rf "$SMTP_SINK"
  mv "$unpacked" "$SMTP_SINK"
)

if [[ ${1:-} == --bench && ! -x $SMTP_SINK/smtp-sink ]]; then
  say "Unpacking smtp-sink of Debian's postfix, for benchmarks, into $SMTP_SINK"
  fetch_smtp_sink || die "smtp-sink cannot be fetched" "See above. The package is postfix."
fi

# A node of the version that they want is among them.
install_peers() {
  rm -rf "$PEERS"
  mkdir -p "$PEERS"
  cp tests/bench/peers/{package.json,package-lock.json,.npmrc} "$PEERS/" &&
    (cd "$PEERS" && npm ci --silent && cp package-lock.json installed)
}

if [[ ${1:-} == --bench ]]; then
  if ! cmp -s tests/bench/peers/package-lock.json "$PEERS/installed"; then
    say "Installing graphile-worker, pg-boss and nodemailer, to compare with, into $PEERS"
    install_peers || die "the peers cannot be installed" "See above. What they need is in tests/bench/peers/package.json."
  fi
  ln -sfn "$PEERS/node_modules" tests/bench/peers/node_modules
fi
