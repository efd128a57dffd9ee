#!/bin/sh
# apiserver.sh CRDS [INVENTORY…]: applies what each inventory renders to a real Kubernetes API server, and says what it
# refuses and what it warns of. Without inventories: those of tests/inventories and the repository's own.
#
# Needs etcd, kube-apiserver, kube-controller-manager, kubectl, kustomize and openssl on the PATH; nodes and containers
# it does without. CRDS is a folder with the CustomResourceDefinitions of everything that the trees speak of (Argo CD,
# Flux, MetalLB, Cilium, Traefik, Gateway API, cert-manager, Prometheus operator, Sealed Secrets, External Secrets,
# VolSync, Velero), as their releases publish them. Each inventory gets a cluster of its own, which is thrown away.
# NAME.external lists what exists outside a tree; of that, service accounts and runtimes are made: no pod starts without.
#
# BAYPLAN names the program (default: the debug build); PORT, PORT + 1 and PORT + 2 are listened on (default 26443).
# KEEP=FOLDER keeps what was built and what the server said.
set -eu
crds=${1:?usage: tests/apiserver.sh CRDS [INVENTORY…]}
shift
here=$(cd "$(dirname "$0")" && pwd)
bayplan=${BAYPLAN:-$here/../target/debug/bayplan}
port=${PORT:-26443}
work=${KEEP:-$(mktemp -d)}
mkdir -p "$work"
running= store=
[ $# -gt 0 ] || set -- "$here"/../inventory.toml "$here"/inventories/*.toml

# A server without its store would wait for it for a minute, and has nothing to lose.
stop() {
    [ -z "$running" ] || kill -9 $running 2>/dev/null || true
    [ -z "$store" ] || kill "$store" 2>/dev/null || true
    wait 2>/dev/null || true
    running= store=
}
trap 'stop; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT

# Keys and tokens of a server that only this script talks to.
openssl genrsa -out "$work/accounts.key" 2048 2>/dev/null
echo 'secret,admin,admin,system:masters' >"$work/tokens"
cat >"$work/config" <<END
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: secret}}]
contexts: [{name: here, context: {cluster: here, user: admin}}]
current-context: here
END
export KUBECONFIG="$work/config" KUBECACHEDIR="$work/cache"

# The network of ClusterIPs, as the server wants it.
ranges() {
    found=$(sed -n '/^\[cluster\]/,/^\[/s/^service-cidr = //p' "$1" | head -n 1 | sed 's/#.*//' | tr -d ' []"')
    echo "${found:-10.96.0.0/12}"
}

# Starts a cluster on the data of $1, with ClusterIPs of $2.
start() {
    etcd --data-dir "$1" --unsafe-no-fsync --log-level error --listen-client-urls "http://127.0.0.1:$((port + 1))" \
        --advertise-client-urls "http://127.0.0.1:$((port + 1))" --listen-peer-urls "http://127.0.0.1:$((port + 2))" \
        >"$work/etcd.log" 2>&1 &
    store=$!
    kube-apiserver --etcd-servers "http://127.0.0.1:$((port + 1))" --secure-port "$port" --bind-address 127.0.0.1 \
        --cert-dir "$work/certs" --service-cluster-ip-range "$2" \
        --token-auth-file "$work/tokens" --authorization-mode RBAC \
        --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$work/accounts.key" \
        --service-account-signing-key-file "$work/accounts.key" --allow-privileged >"$work/server.log" 2>&1 &
    running="$running $!"
    tries=0
    until kubectl get --raw /readyz >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 120 ] || { tail -n 20 "$work/server.log" && exit 2; }
        sleep 1
    done
}

start_controllers() {
    kube-controller-manager --kubeconfig "$work/config" --service-account-private-key-file "$work/accounts.key" \
        --use-service-account-credentials=false --leader-elect=false --secure-port 0 \
        --controllers '*,-nodeipam,-node-route-controller' >"$work/controllers.log" 2>&1 &
    running="$running $!"
}

# Every object of the tree is in one of these; the bases are in their overlays.
built_folders() {
    find "$1" -name kustomization.yaml ! -path '*/base/*' | sort | sed 's,/kustomization.yaml$,,'
}

# What NAME.external lists and pods cannot start without: service accounts, in every namespace that fits, and runtimes.
make_accounts() {
    sed -n 's,^RuntimeClass/.*/,,p' "$1" | while read -r class; do
        printf 'apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: %s\nhandler: %s\n' "$class" "$class" |
            kubectl apply -f - >/dev/null
    done
    sed -n 's,^ServiceAccount/,,p' "$1" | while IFS=/ read -r pattern account; do
        for namespace in $namespaces; do
            case $namespace in $pattern) kubectl -n "$namespace" create serviceaccount "$account" >/dev/null ;; esac
        done
    done
}

# Whether the controllers, too, are through: as many pods as the workloads ask for, or somebody said why not.
settle() {
    tries=0
    while [ $tries -lt 30 ]; do
        missing=$(kubectl get deployments,statefulsets -A --no-headers 2>/dev/null \
            -o 'custom-columns=N:.spec.replicas,M:.status.replicas' | awk '$1 > 0 && $2 + 0 < $1' | wc -l)
        refused=$(kubectl get events -A --field-selector reason=FailedCreate --no-headers 2>/dev/null \
            -o 'custom-columns=N:.involvedObject.name' | sort -u | wc -l)
        [ "$missing" -gt "$refused" ] || break
        tries=$((tries + 1))
        sleep 1
    done
}

# A cluster that has the definitions, for ClusterIPs of $1: made once, then copied.
seed() {
    seed=$work/seed-$(echo "$1" | tr -c '0-9a-f\n' -)
    [ ! -d "$seed" ] || return 0
    start "$seed" "$1"
    kubectl apply --server-side --recursive -f "$crds" >"$work/crds.log" 2>&1 || { cat "$work/crds.log" && exit 2; }
    kubectl wait --for condition=Established --timeout 120s crd --all >/dev/null
    echo "$(kubectl version | sed -n 's/^Server Version: /Kubernetes /p'), $(grep -c . "$work/crds.log") definitions, ClusterIPs of $1"
    stop
}

failed=0
for inventory; do
    name=$(basename "$inventory" .toml)
    here_out=$work/$name
    rm -rf "$here_out"
    mkdir -p "$here_out/built"
    "$bayplan" render -q --inventory "$inventory" --out "$here_out/out" || { failed=1 && continue; }
    seed "$(ranges "$inventory")"
    cp -r "$seed" "$here_out/data"
    start "$here_out/data" "$(ranges "$inventory")"
    start_controllers
    for folder in $(built_folders "$here_out/out"); do
        kustomize build "$folder" >"$here_out/built/$(echo "${folder#"$here_out"/out/}" | tr / -).yaml"
    done
    # Namespaces that no build brings are an engine's, a chart's or the cluster's.
    namespaces=$(sed -n 's/^  namespace: "*\([^"]*\)"*$/\1/p' "$here_out"/built/*.yaml | sort -u)
    for namespace in $namespaces; do
        kubectl create namespace "$namespace" >/dev/null 2>&1 || true
    done
    [ ! -f "${inventory%.toml}.external" ] || make_accounts "${inventory%.toml}.external"
    # What all share comes first, as the engines have it.
    for built in $(ls "$here_out"/built/infrastructure*.yaml 2>/dev/null) $(ls "$here_out"/built/*.yaml | grep -v /infrastructure); do
        kubectl apply --server-side --validate=strict -f "$built" >>"$here_out/applied" 2>>"$here_out/said" || failed=1
    done
    settle
    kubectl get events -A --field-selector reason=FailedCreate --no-headers \
        -o 'custom-columns=N:.involvedObject.namespace,K:.involvedObject.kind,O:.involvedObject.name,M:.message' \
        >>"$here_out/said" 2>/dev/null
    # Argo CD's own name for it.
    sed -i '/prefer a domain-qualified finalizer name/d' "$here_out/said"
    pods=$(kubectl get pods -A --no-headers 2>/dev/null | wc -l)
    echo "== $name: $(wc -l <"$here_out/applied") objects applied, $pods pods made, $(wc -l <"$here_out/said") complaints"
    cat "$here_out/said"
    [ ! -s "$here_out/said" ] || failed=1
    stop
    rm -rf "$here_out/data"
done
exit $failed
