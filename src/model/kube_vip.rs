//! kube-vip as a load balancer: the pools of its cloud provider, and the ConfigMap that it reads them from.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::model::CONFLICTING_KEYS;
use crate::model::load_balancer::{Pool, plain_pool};
use crate::model::references::Resolver;
use crate::source::Span;

/// The pools that serve every namespace without a pool of its own are kept under this word.
const EVERYONE: &str = "global";

/// kube-vip as a load balancer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KubeVip {
    /// The pools, by name.
    pub pools: Vec<Pool>,
    /// What its cloud provider reads: the ConfigMap `kubevip`.
    pub data: BTreeMap<String, String>,
}

impl KubeVip {
    /// Whether a namespace has pools of its own, and so gets nothing from those for all.
    pub fn serves_apart(&self, namespace: &str) -> bool {
        self.data.contains_key(&range_key(namespace))
    }
}

/// Lowers `[kube-vip]`.
pub fn lower_kube_vip(resolver: &mut Resolver<'_>) -> KubeVip {
    let Some(table) = resolver.inventory.tables.kube_vip.as_ref() else { return KubeVip::default() };
    let mut sharing: Sharing = BTreeMap::new();
    let mut pools: Vec<Pool> = Vec::new();
    for (name, entry) in table.pools.iter() {
        let table = &entry.value;
        let mut pool = plain_pool(resolver, ["kube-vip", name], &table.addresses, entry.key);
        pool.namespaces = table.namespace.iter().map(|text| resolver.text(text)).collect();
        pool.real_namespaces = pool.namespaces.iter().map(|name| name.value.clone()).collect();
        pool.allow_share = table.allow_share.is_some_and(|flag| flag.value);
        pool.l2 = true;
        let said = table.allow_share.map_or(pool.place, |flag| flag.span);
        let said = Said { pool: name.clone(), shares: pool.allow_share, place: said };
        sharing.entry(served(&pool).to_owned()).or_default().push(said);
        pools.push(pool);
    }
    of_one_mind(resolver, &mut sharing);
    KubeVip { data: data(&pools, &sharing), pools }
}

/// Whether a pool shares its addresses, and where it says so.
struct Said {
    pool: String,
    shares: bool,
    place: Span,
}

/// What the pools of a namespace say.
type Sharing = BTreeMap<String, Vec<Said>>;

/// The namespace that a pool serves, or everyone.
fn served(pool: &Pool) -> &str {
    pool.real_namespaces.first().map_or(EVERYONE, String::as_str)
}

/// What its cloud provider looks the pools of a namespace up by.
fn range_key(namespace: &str) -> String {
    format!("range-{namespace}")
}

/// Pools of one namespace are one list with one `allow-share`. Of many that differ, the first two are told: one word mends
/// it for all.
fn of_one_mind(resolver: &mut Resolver<'_>, sharing: &mut Sharing) {
    for (namespace, said) in sharing {
        said.sort_by_key(|said| said.place);
        let differing = said.windows(2).find(|pair| pair[0].shares != pair[1].shares);
        if let Some([first, other]) = differing {
            resolver.found.push(disagreement(namespace, first, other));
        }
    }
}

fn disagreement(namespace: &str, first: &Said, other: &Said) -> Diagnostic {
    let whom = match namespace {
        EVERYONE => "every namespace without a pool of its own".to_owned(),
        name => format!("namespace `{name}`"),
    };
    let message = format!(
        "pools `{}` and `{}` serve {whom}, and only one of them shares its addresses: kube-vip knows one answer for both",
        first.pool, other.pool
    );
    let does = |said: &Said| if said.shares { "shares them" } else { "does not share them" };
    CONFLICTING_KEYS
        .at(other.place, does(other), message)
        .because(first.place, does(first))
        .about(format!("kube-vip.pools.{}", other.pool))
        .about(format!("kube-vip.pools.{}", first.pool))
        .help("give both the same `allow-share`, or one of them another `namespace`")
}

/// One key for each namespace, and one for all others: several pools of one are one list. A namespace that says nothing
/// of sharing gets the answer for everyone (`discoverPool` of kube-vip's cloud provider), so that one says no.
fn data(pools: &[Pool], sharing: &Sharing) -> BTreeMap<String, String> {
    let mut data: BTreeMap<String, String> = BTreeMap::new();
    for pool in pools {
        let ranges = data.entry(range_key(served(pool))).or_default();
        for range in &pool.addresses {
            let comma = if ranges.is_empty() { "" } else { "," };
            ranges.push_str(&format!("{comma}{}-{}", range.first(), range.last()));
        }
    }
    let shares = |said: &Vec<Said>| said.iter().any(|said| said.shares);
    let everyone = sharing.get(EVERYONE).is_some_and(shares);
    let differing = sharing.iter().map(|(namespace, said)| (namespace, shares(said)));
    for (namespace, shared) in differing.filter(|(_, shared)| *shared || everyone) {
        data.insert(format!("allow-share-{namespace}"), shared.to_string());
    }
    data
}
