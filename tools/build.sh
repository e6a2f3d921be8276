#!/usr/bin/env bash
# build.sh extension: packages the extension and installs it into a private copy of Debian's PostgreSQL, PREFIX.
# build.sh programs:  builds the runner and the mail catcher.
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
locate

# PostgreSQL finds its files relative to its executable: so the executables are copied, the rest is linked.
create_prefix() {
  rm -rf "$PREFIX"
  mkdir -p "$PREFIX$DEBIAN_LIB/lib" "$PREFIX$DEBIAN_SHARE/extension"
  cp -a "$DEBIAN_LIB/bin" "$PREFIX$DEBIAN_LIB/bin"
}

# Also what a package brought since: the tests need one more than the demo.
link_into_prefix() {
  local file
  for file in "$DEBIAN_LIB"/lib/* "$DEBIAN_SHARE"/* "$DEBIAN_SHARE"/extension/*; do
    [[ -e $PREFIX$file ]] || ln -sf "$file" "$PREFIX$file"
  done
}

extension() {
  local package=$CARGO_TARGET_DIR/package file
  say "Building the extension"
  rm -rf "$package"
  PATH=$(dirname -- "$(cargo_pgrx)"):$PATH cargo pgrx package -p pg_campaign \
    --pg-config "$PGRX_PG_CONFIG_PATH" --out-dir "$package" >"$RUN/package.log" 2>&1 || {
    cat "$RUN/package.log" >&2
    die "the extension does not build" "See above."
  }
  # pgrx notes where each block came from, with this machine's folders.
  sed -i 's|^-- /.*/install\.rs:[0-9]*$|-- sql|' "$package$DEBIAN_SHARE"/extension/pg_campaign--*.sql

  if ! cmp -s "$DEBIAN_LIB/bin/postgres" "$PREFIX$DEBIAN_LIB/bin/postgres"; then
    create_prefix
  fi
  link_into_prefix
  (cd "$package" && find usr -type f) | while IFS= read -r file; do
    # By rename: a running server keeps the library that it has loaded.
    cmp -s "$package/$file" "$PREFIX/$file" ||
      { cp "$package/$file" "$PREFIX/$file.new" && mv -f "$PREFIX/$file.new" "$PREFIX/$file"; }
  done
}

programs() {
  say "Building campaign-runner and mail-catcher"
  cargo build -q --release --locked -p campaign-runner -p mail-catcher
}

case ${1:-} in
  extension | programs) "$1" ;;
  *) die "build.sh: expected extension or programs" ;;
esac
