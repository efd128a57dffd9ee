#!/bin/sh
# objects.sh: asks the Kubernetes API server that kubectl speaks to about every object of tests/objects, without making
# any, and says where it is of another mind than the files. They were written against Kubernetes 1.34.
#
# Where it changed its mind, move the line to the other list; `cargo test --test it objects` then says what the program
# has to learn. The namespace `default` with its service account is all that the cluster needs to have.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$here/.." && OBJECTS="$work/objects" SHOW=1 cargo test --test it objects:: -- --nocapture >"$work/said" 2>&1) || true
ls "$work/objects" | sed 's/\.json$//' | sort >"$work/all"
kubectl create --dry-run=server --validate=strict -f "$work/objects" >"$work/taken" 2>"$work/errors" || true
sed -n 's,.*/\([a-z]*-[a-z]*-[0-9]*\)\.json.*,\1,p' "$work/errors" | sort -u >"$work/refused"
differ=0
for name in $(cat "$work/all"); do
    case $name in
        refused-*) grep -qx "$name" "$work/refused" && continue || word=taken ;;
        *) grep -qx "$name" "$work/refused" || continue; word=refused ;;
    esac
    echo "$word by the server: $(grep "^$name " "$work/said" | head -n 1)"
    differ=1
done
echo "$(wc -l <"$work/all") objects, $(wc -l <"$work/refused") refused"
exit $differ
