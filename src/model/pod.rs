//! What a service's pods are given beside their containers: where they run, whom they ask for names, what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::inventory;
use crate::inventory::record::Map;
use crate::inventory::service::Service as Table;
use crate::inventory::value::{Duration, OrOff, PassthroughTable, Text, Whole};
use crate::inventory::workload::{DnsPolicy, Lifecycle, PullPolicy, Rbac as WrittenRbac, WhenUneven};
use crate::model::container::{Container, Mount};
use crate::model::env::lower_env_from;
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_host, check_name, report_unknown};
use crate::model::references::Resolver;
use crate::model::service::check_count;
use crate::model::stack::{Stack, digest, known_secret};
use crate::model::texts::{list, passthrough};
use crate::model::volume::{Shown, Source, Volume, check_mount_path};
use crate::model::workload::{since, whole};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// Settings of a service's pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pod {
    /// Rules about nodes and other pods.
    pub affinity: Option<Spanned<Json>>,
    /// Over what pods are spread, without the choice of pods.
    pub spread: Vec<Json>,
    /// The PriorityClass.
    pub priority_class: Option<String>,
    /// The RuntimeClass.
    pub runtime_class: Option<String>,
    /// Secrets that open registries.
    pub image_pull_secrets: Vec<String>,
    /// When images are pulled.
    pub image_pull_policy: Option<&'static str>,
    /// Whom pods ask for names.
    pub dns_policy: Option<&'static str>,
    /// How pods ask for names.
    pub dns_config: Json,
    /// Names for addresses.
    pub host_aliases: Vec<Json>,
    /// The name that pods take themselves for.
    pub hostname: Option<String>,
    /// Whether pods see their node's processes.
    pub host_pid: Option<Spanned<bool>>,
    /// Whether pods share memory with their node's processes.
    pub host_ipc: Option<Spanned<bool>>,
    /// Whether the containers of a pod see each other's processes.
    pub share_process_namespace: bool,
    /// What runs when the container starts and before it stops.
    pub lifecycle: Json,
    /// Whole sets of variables.
    pub env_from: Vec<Json>,
    /// Secrets that are read whole.
    #[serde(skip)]
    pub whole_secrets: BTreeSet<String>,
}

/// What a service's pods may do with the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rbac {
    /// The service account.
    pub account: Spanned<String>,
    /// Rules in its own namespace.
    pub rules: Vec<Json>,
    /// Rules in the whole cluster.
    pub cluster_rules: Vec<Json>,
    /// The name of what is the cluster's: with the namespace, so that environments stay apart.
    pub cluster_name: String,
    /// The places of the rules, those of the namespace first.
    #[serde(skip)]
    pub places: Vec<Span>,
}

/// Small files of a service's container.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Files {
    /// Their texts, by key of the ConfigMap.
    pub data: BTreeMap<String, String>,
    /// A digest of them, which pods carry so that a change restarts them.
    pub digest: Option<String>,
}

/// What most services say of their pods: nothing.
static USUAL: LazyLock<Arc<Pod>> = LazyLock::new(Arc::default);

/// Lowers what a service says of its pods.
pub fn lower_pod(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    table: &Table,
) -> Arc<Pod> {
    let mut pod =
        Pod {
            affinity: passthrough(resolver, table.affinity.as_ref().and_then(OrOff::on)),
            spread: lower_spread(resolver, around, table),
            priority_class: lower_priority(resolver, around, table),
            runtime_class: object_name(resolver, table.runtime_class.as_ref(), "a RuntimeClass"),
            image_pull_policy: table.image_pull_policy.map(|policy| match policy.value {
                PullPolicy::Always => "Always",
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Never => "Never",
            }),
            host_aliases: lower_aliases(resolver, table),
            hostname: lower_hostname(resolver, table),
            host_pid: table.host_pid,
            host_ipc: table.host_ipc,
            share_process_namespace: table.share_process_namespace.is_some_and(|flag| flag.value),
            lifecycle: table.lifecycle.as_ref().and_then(OrOff::on).map_or(Json::Null, |own| {
                hooks(resolver, around, own, table.termination_grace_period.as_ref())
            }),
            ..Pod::default()
        };
    for name in &table.image_pull_secrets {
        let name = resolver.text(name);
        if let Some(secret) = known_secret(resolver, stack, &name) {
            pod.whole_secrets.insert(secret.name.clone());
            pod.image_pull_secrets.push(secret.name.clone());
        }
    }
    lower_dns(resolver, table, &mut pod);
    let sets = lower_env_from(resolver, stack, &table.env_from);
    pod.env_from = sets.env_from;
    pod.whole_secrets.extend(sets.secrets);
    if pod == **USUAL { Arc::clone(&USUAL) } else { Arc::new(pod) }
}

/// An inventory that declares no class leaves them to the cluster; Kubernetes has two of its own.
fn lower_priority(resolver: &mut Resolver<'_>, around: &Around<'_>, table: &Table) -> Option<String> {
    let name = object_name(resolver, table.priority_class.as_ref(), "a PriorityClass")?;
    let classes = &around.model.priority_classes;
    let known =
        classes.is_empty() || name.starts_with("system-") || classes.iter().any(|class| class.name == name);
    if let Some(written) = table.priority_class.as_ref().filter(|_| !known) {
        let known = resolver.known(classes.iter().map(|class| class.name.as_str()));
        report_unknown(resolver, &Spanned::new(name.clone(), written.span), "PriorityClass", &known);
    }
    Some(name)
}

fn object_name(resolver: &mut Resolver<'_>, name: Option<&Text>, what: &str) -> Option<String> {
    let name = resolver.text(name?);
    check_name(resolver, &name, name.span, what, NameKind::Subdomain);
    Some(name.value)
}

fn lower_hostname(resolver: &mut Resolver<'_>, table: &Table) -> Option<String> {
    let name = resolver.text(table.hostname.as_ref()?);
    check_name(resolver, &name, name.span, "a host", NameKind::Label);
    Some(name.value)
}

/// Since this version a node whose taints repel the pods may be left out of the count.
const TAINTS_POLICY: (u32, u32) = (1, 26);

fn lower_spread(resolver: &mut Resolver<'_>, around: &Around<'_>, table: &Table) -> Vec<Json> {
    let knows_taints = around.model.cluster.version >= TAINTS_POLICY;
    let mut seen: BTreeSet<(String, &str)> = BTreeSet::new();
    let mut spread = Vec::new();
    for entry in &table.spread {
        let entry = &entry.0;
        let Some(key) = entry.key.as_ref().map(|text| resolver.text(text)) else { continue };
        let skew = entry.max_skew.map_or(1, |skew| skew.value);
        if let Some(skew) = entry.max_skew.filter(|skew| !(1..=i64::from(i32::MAX)).contains(&skew.value)) {
            resolver.found.push(
                BAD_VALUE
                    .at(
                        skew.span,
                        "at least 1",
                        format!("{skew} is no number of pods that one place may have more"),
                    )
                    .help("give 1 or more"),
            );
        }
        let when = match entry.when.map_or(WhenUneven::ScheduleAnyway, |when| when.value) {
            WhenUneven::ScheduleAnyway => "ScheduleAnyway",
            WhenUneven::DoNotSchedule => "DoNotSchedule",
        };
        if !seen.insert((key.value.clone(), when)) {
            resolver.found.push(
                BAD_VALUE
                    .at(key.span, "again", format!("pods are spread over `{key}` twice"))
                    .help("drop one of them"),
            );
        }
        // A node whose taints repel the pods would be a place without any for ever, and the others would wait for it.
        let taints = (knows_taints && when == "DoNotSchedule").then_some("Honor");
        spread.push(json!({
            "maxSkew": skew,
            "topologyKey": key.value,
            "whenUnsatisfiable": when,
            "nodeTaintsPolicy": taints,
        }));
    }
    spread
}

fn lower_aliases(resolver: &mut Resolver<'_>, table: &Table) -> Vec<Json> {
    let mut aliases = Vec::new();
    for (address, entry) in &table.host_aliases {
        let written = Spanned::new(address.clone(), entry.key);
        let Some(address) = resolver.address(&inventory::value::AddressText(written)) else { continue };
        let mut names = Vec::new();
        for name in &entry.value.0 {
            let name = resolver.text(name);
            check_host(resolver, &name, false);
            names.push(name.value);
        }
        aliases.push(json!({ "ip": address.value.to_string(), "hostnames": names }));
    }
    aliases
}

/// What runs when a container starts and before it stops, in Kubernetes' spelling.
pub fn hooks(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    written: &Lifecycle,
    grace: Option<&Whole>,
) -> Json {
    let mut hooks = serde_json::Map::new();
    for (key, command) in [("postStart", &written.post_start), ("preStop", &written.pre_stop)] {
        if !command.is_empty() {
            hooks.insert(key.to_owned(), json!({ "exec": { "command": list(resolver, command) } }));
        }
    }
    if let Some(time) = &written.pre_stop_sleep {
        let place = time.0.span;
        report_long_sleep(resolver, time, grace);
        since(resolver, around, (1, 30), place, "pre-stop-sleep");
        if let Some(command) = written.pre_stop.first() {
            resolver.found.push(
                CONFLICTING_KEYS
                    .at(place, "and this", "`lifecycle` has both `pre-stop` and `pre-stop-sleep`")
                    .because(command.span, "this")
                    .help("keep one of them"),
            );
        }
        hooks.insert(
            "preStop".to_owned(),
            json!({ "sleep": { "seconds": whole(Some(time)).map(|seconds| seconds.max(1)) } }),
        );
    }
    if hooks.is_empty() { Json::Null } else { Json::Object(hooks) }
}

/// Kubernetes' default for `termination-grace-period`.
const GRACE: i64 = 30;

/// Kubernetes refuses a pod that sleeps longer than it may take to stop.
fn report_long_sleep(resolver: &mut Resolver<'_>, time: &Duration, grace: Option<&Whole>) {
    let most = grace.map_or(GRACE, |seconds| seconds.value);
    if whole(Some(time)).is_some_and(|seconds| seconds > most) {
        let message =
            format!("`pre-stop-sleep` is longer than the {most} seconds that the pod may take to stop");
        resolver.found.push(
            BAD_VALUE
                .at(time.0.span, "too long", message)
                .help("shorten it, or raise `termination-grace-period`"),
        );
    }
}

/// The most servers that the C library asks, and Kubernetes takes.
const MOST_NAMESERVERS: usize = 3;

fn lower_dns(resolver: &mut Resolver<'_>, table: &Table, pod: &mut Pod) {
    let on_host = table.host_network.is_some_and(|flag| flag.value);
    let default = on_host.then_some("ClusterFirstWithHostNet");
    let Some(dns) = table.dns.as_ref().and_then(OrOff::on) else {
        pod.dns_policy = default;
        return;
    };
    pod.dns_policy = match dns.policy.map(|policy| policy.value) {
        None => default,
        Some(DnsPolicy::ClusterFirst) => Some("ClusterFirst"),
        Some(DnsPolicy::ClusterFirstWithHostNet) => Some("ClusterFirstWithHostNet"),
        Some(DnsPolicy::Default) => Some("Default"),
        Some(DnsPolicy::None) => Some("None"),
    };
    let servers: Vec<Spanned<std::net::IpAddr>> =
        dns.nameservers.iter().filter_map(|server| resolver.address(server)).collect();
    if let Some(extra) = servers.get(MOST_NAMESERVERS) {
        resolver.found.push(
            BAD_VALUE
                .at(
                    extra.span,
                    "one too many",
                    format!("Kubernetes takes {MOST_NAMESERVERS} name servers at most"),
                )
                .help("drop some"),
        );
    }
    if let Some(policy) =
        dns.policy.filter(|policy| policy.value == DnsPolicy::None && dns.nameservers.is_empty())
    {
        resolver.found.push(
            BAD_VALUE
                .at(
                    policy.span,
                    "whom, then?",
                    "`dns` asks nobody: its policy is `none`, and it has no `nameservers`",
                )
                .help("add `nameservers`"),
        );
    }
    let mut config = serde_json::Map::new();
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    let options: Vec<Json> =
        dns.options.iter().map(|(name, entry)| option(resolver, name, &entry.value.0)).collect();
    for (key, values) in [
        ("nameservers", json!(servers)),
        ("searches", json!(list(resolver, &dns.searches))),
        ("options", json!(options)),
    ] {
        if values.as_array().is_some_and(|values| !values.is_empty()) {
            config.insert(key.to_owned(), values);
        }
    }
    if !config.is_empty() {
        pod.dns_config = Json::Object(config);
    }
}

fn option(resolver: &mut Resolver<'_>, name: &str, value: &Text) -> Json {
    match resolver.text(value).value {
        value if value == "true" => json!({ "name": name }),
        value => json!({ "name": name, "value": value }),
    }
}

/// Lowers what a service may do. Who has rules has an account of its own.
pub fn lower_rbac(
    resolver: &mut Resolver<'_>,
    table: &Table,
    name: &Spanned<String>,
    namespace: &str,
) -> Option<Rbac> {
    let written = table.rbac.as_ref()?.on()?;
    let account = table.service_account.as_ref().map(|text| resolver.text(text));
    let account = account.unwrap_or_else(|| name.clone());
    check_name(resolver, &account, account.span, "a service account", NameKind::Subdomain);
    let rules = |resolver: &mut Resolver<'_>, rules: &[PassthroughTable]| -> Vec<Json> {
        rules.iter().map(|rule| resolver.value(&rule.0)).collect()
    };
    check_rules(resolver, written);
    let places = written.rules.iter().chain(&written.cluster_rules).map(inventory::service::place).collect();
    Some(Rbac {
        rules: rules(resolver, &written.rules),
        cluster_rules: rules(resolver, &written.cluster_rules),
        cluster_name: format!("{namespace}-{name}"),
        account,
        places,
    })
}

/// Kubernetes refuses a rule without verbs, and one without anything to use them on.
fn check_rules(resolver: &mut Resolver<'_>, written: &WrittenRbac) {
    let rules = written.rules.iter().map(|rule| (rule, false));
    for (rule, cluster) in rules.chain(written.cluster_rules.iter().map(|rule| (rule, true))) {
        let json = resolver.value(&rule.0);
        let some = |key: &str| json[key].as_array().is_some_and(|list| !list.is_empty());
        let place = inventory::service::place(rule);
        let reason = match (some("verbs"), some("resources") && some("apiGroups"), some("nonResourceURLs")) {
            (false, ..) => "it has no `verbs`",
            (_, false, false) => "it has no `apiGroups` and `resources`",
            (_, false, true) if !cluster => "`nonResourceURLs` belong to the whole cluster: `cluster-rules`",
            _ => continue,
        };
        resolver.found.push(
            BAD_VALUE
                .at(place, "Kubernetes refuses it", format!("a rule of `rbac` says too little: {reason}"))
                .help("write `{ apiGroups = [\"\"], resources = [\"pods\"], verbs = [\"get\", \"list\"] }`"),
        );
    }
}

/// What most services have.
static NO_FILES: LazyLock<Arc<Files>> = LazyLock::new(Arc::default);

/// The volume of a service's files, and the longest of their names: ConfigMaps take no more.
const VOLUME: &str = "files";
const LONGEST_KEY: usize = 200;
/// What a ConfigMap holds at most, in bytes.
const LARGEST: usize = 1 << 20;

/// Lowers the files of a service and of the containers beside its own: a ConfigMap, and a mount for each of them.
pub fn lower_files(
    resolver: &mut Resolver<'_>,
    files: &Map<OrOff<Text>>,
    name: &str,
    volumes: &mut Vec<Volume>,
    beside: &mut [&mut [Container]],
) -> Arc<Files> {
    let taken = volumes.iter().any(|volume| volume.name == VOLUME);
    let volume = if taken { "inventory-files" } else { VOLUME };
    let mut lowered = Files::default();
    let one = |mount: Spanned<String>, sub_path: Option<String>, again: bool, place: Span| Volume {
        key: volume.to_owned(),
        name: volume.to_owned(),
        again,
        mount,
        sub_path,
        read_only: true,
        source: Source::ConfigMap(Shown { name: format!("{name}-files"), items: Vec::new(), mode: None }),
        place,
        written: place,
    };
    for (path, text) in read_files(resolver, files) {
        let again = !lowered.data.is_empty();
        let key = lowered.add(&path, text);
        let place = path.span;
        volumes.push(one(path, Some(key), again, place));
    }
    for container in beside.iter_mut().flat_map(|containers| containers.iter_mut()) {
        for (path, text) in std::mem::take(&mut container.files) {
            if lowered.data.is_empty() {
                let nowhere = Spanned::new(String::new(), path.span);
                volumes.push(one(nowhere, None, false, path.span));
            }
            let sub_path = Some(lowered.add(&path, text));
            let (name, volume) = (volume.to_owned(), volume.to_owned());
            container.mounts.push(Mount { name, path, sub_path, read_only: true, volume });
        }
    }
    let size: usize = lowered.data.iter().map(|(key, text)| key.len() + text.len()).sum();
    if let Some(place) =
        volumes.iter().find(|own| own.name == volume).map(|own| own.place).filter(|_| size > LARGEST)
    {
        let message =
            format!("the files of service `{name}` are {size} bytes long, and a ConfigMap holds {LARGEST}");
        resolver.found.push(
            BAD_VALUE.at(place, "too long", message).help("put large files into the image or a volume"),
        );
    }
    if lowered.data.is_empty() {
        return Arc::clone(&NO_FILES);
    }
    lowered.digest = Some(digest(&lowered.data));
    Arc::new(lowered)
}

impl Files {
    fn add(&mut self, path: &str, text: String) -> String {
        let key = file_key(path, &text, &self.data);
        self.data.insert(key.clone(), text);
        key
    }
}

/// The paths of files and their texts.
pub fn read_files(resolver: &mut Resolver<'_>, files: &Map<OrOff<Text>>) -> Vec<(Spanned<String>, String)> {
    let mut read = Vec::new();
    for (path, entry) in files {
        let Some(text) = entry.value.on() else { continue };
        let path = Spanned::new(path.clone(), entry.key);
        check_file(resolver, &path);
        read.push((path, resolver.text(text).value));
    }
    read
}

fn check_file(resolver: &mut Resolver<'_>, path: &Spanned<String>) {
    if path.is_empty() || path.ends_with('/') {
        resolver.found.push(
            BAD_VALUE
                .at(path.span, "not a file", format!("`{path}` is not the path of a file"))
                .help("write an absolute path, such as /config/settings.yaml"),
        );
    }
    check_mount_path(resolver, path);
}

/// The file's own name, or its whole path where another has that name. Two containers may have the same file.
fn file_key(path: &str, text: &str, taken: &BTreeMap<String, String>) -> String {
    let plain = |text: &str| -> String {
        let fine = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        text.chars().map(fine).take(LONGEST_KEY).collect()
    };
    let last = plain(path.rsplit('/').next().unwrap_or_default());
    // `..` at the beginning belongs to the kubelet.
    let usable = !last.is_empty() && !last.starts_with("..") && last != ".";
    if usable && taken.get(&last).is_none_or(|other| other == text) {
        return last;
    }
    let mut hash = Sha256::new();
    for part in [path, text] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: String = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", plain(path.trim_matches(['/', '.'])))
}

/// Reports counts that Kubernetes refuses.
pub fn check_counts(resolver: &mut Resolver<'_>, counts: &[(Option<Spanned<i64>>, &str)]) {
    for (count, what) in counts {
        check_count(resolver, count.as_ref(), what);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::file_key;

    #[test]
    fn files_of_one_name_stay_apart() {
        let mut taken = BTreeMap::new();
        for path in ["/a/x.yaml", "/b/x.yaml", "/b-x.yaml", "/c/..hidden", "/d/", "/e/ü", "/f/ö"] {
            let key = file_key(path, path, &taken);
            assert_eq!(file_key(path, path, &taken), key);
            assert!(taken.insert(key.clone(), path.to_owned()).is_none(), "{key}");
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{key}");
            assert!(!key.is_empty() && !key.starts_with(".."), "{key}");
        }
        assert!(taken.contains_key("x.yaml"));
        assert_eq!(file_key("/elsewhere/x.yaml", "/a/x.yaml", &taken), "x.yaml");
    }
}
