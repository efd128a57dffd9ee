#!/bin/sh
# oracle.sh VERIFY: renders every inventory of tests/inventories, and the repository's own, to a temporary folder
# and lets VERIFY judge the trees. NAME.external lists what exists outside a tree: secrets that people make,
# service accounts, ConfigMaps; tests/crds has kinds that VERIFY may not know. BAYPLAN names the program (default: the
# debug build).
set -eu
verify=${1:?usage: tests/oracle.sh VERIFY}
here=$(cd "$(dirname "$0")" && pwd)
bayplan=${BAYPLAN:-$here/../target/debug/bayplan}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# The value of a key of a table, or the default.
value() {
    found=$(sed -n "/^\[$2\]/,/^\[/s/^$3 = \"\([^\"]*\)\".*/\1/p" "$1" | head -n 1)
    echo "${found:-$4}"
}

failed=0
for inventory in "$here"/../inventory.toml "$here"/inventories/*.toml; do
    name=$(basename "$inventory" .toml)
    "$bayplan" render -q --inventory "$inventory" --out "$out/$name"
    external=$here/inventories/$name.external
    [ -f "$external" ] || external=/dev/null
    echo "== $name"
    repository=$(value "$inventory" gitops repository "")
    "$verify" "$out/$name" ${repository:+--repo-url "$repository"} --cluster-regex '()' --external-file "$external" \
        --crds "$here/crds" --root-prefix "$(value "$inventory" gitops path out)" \
        --kubernetes "$(value "$inventory" cluster kubernetes 1.34)" || failed=1
done
exit $failed
