//! What Argo CD is told beside the order: windows, options, differences to leave alone, notifications.

mod lower;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory::service::Kind;
use crate::model::sources::Source;
use crate::model::stack::Stack;
use crate::source::{Span, Spanned};

pub use lower::{lower, lower_stack};

/// The health of an Application: that of what it applies, instead of none (argo-cd#5585).
const APPLICATION_HEALTH: &str = "\
hs = {}
hs.status = \"Progressing\"
hs.message = \"\"
if obj.status ~= nil and obj.status.health ~= nil then
  hs.status = obj.status.health.status
  if obj.status.health.message ~= nil then
    hs.message = obj.status.health.message
  end
end
return hs
";

/// The health of a claim: one that waits for its first pod is well. Argo CD takes it for being made, and in a sync with
/// waves waits for it, during which no other sync begins. Whether its pods are well, they say themselves.
const CLAIM_HEALTH: &str = "\
hs = {}
hs.status = \"Healthy\"
hs.message = \"\"
if obj.status ~= nil and obj.status.phase ~= nil then
  hs.message = obj.status.phase
  if obj.status.phase == \"Lost\" then
    hs.status = \"Degraded\"
  end
end
return hs
";

/// What Argo CD is told of the health of kinds, by the keys of `argocd-cm`.
pub const HEALTH_SCRIPTS: &[(&str, &str)] = &[
    ("resource.customizations.health.PersistentVolumeClaim", CLAIM_HEALTH),
    ("resource.customizations.health.argoproj.io_Application", APPLICATION_HEALTH),
];

/// The parameter that lets ApplicationSets go wave by wave.
pub const PROGRESSIVE_SYNCS: &str = "applicationsetcontroller.enable.progressive.syncs";

/// What an ApplicationSet lays over those Applications whose element has something of its own.
const TEMPLATE_PATCH: &str = r#"{{- if hasKey . "annotations" }}
metadata:
  annotations: {{ toJson .annotations }}
{{- end }}
{{- if or (hasKey . "syncOptions") (hasKey . "ignoreDifferences") (hasKey . "manual") }}
spec:
  {{- if hasKey . "ignoreDifferences" }}
  ignoreDifferences: {{ toJson .ignoreDifferences }}
  {{- end }}
  {{- if or (hasKey . "syncOptions") (hasKey . "manual") }}
  syncPolicy:
    {{- if hasKey . "syncOptions" }}
    syncOptions: {{ toJson .syncOptions }}
    {{- end }}
    {{- if hasKey . "manual" }}
    automated:
      enabled: false
    {{- end }}
  {{- end }}
{{- end }}
"#;

/// The same where an Application has sources of its own.
const SOURCES_PATCH: &str = r#"{{- if hasKey . "sources" }}
  sources: {{ toJson .sources }}
  {{- end }}
  "#;

/// What bayplan tells Argo CD of every sync. Not `FailOnSharedResource`: what is kept in the cluster still names the
/// Application that it had before, and its new one would fail for ever (argo-cd#8179). That no object has two owners,
/// the checks see to.
const OPTIONS: &[&str] = &["ServerSideApply=true", "PruneLast=true"];

/// What Argo CD is told beside the order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Extras {
    /// Whether one ApplicationSet makes the Applications of stacks.
    pub application_set: bool,
    /// Whether that goes wave by wave.
    pub rolling_sync: bool,
    /// Whether the AppProject lists kinds inside namespaces.
    pub strict_kinds: bool,
    /// When syncs may happen.
    pub sync_windows: Vec<SyncWindow>,
    /// How Applications are synced that nothing else is said of.
    pub sync: Sync,
    /// Annotations of every Application.
    pub annotations: BTreeMap<String, String>,
    /// The contents of `argocd-notifications-cm`.
    pub notifications: BTreeMap<String, String>,
    /// What the ApplicationSet lays over the Applications that have something of their own.
    pub template_patch: String,
    /// Whether the Applications of an ApplicationSet have lists of sources, because one of them has several.
    pub several_sources: bool,
    /// Whether Applications get a health of their own.
    pub health_customization: bool,
    /// The scripts of that health, by their keys, where nothing but a person can give them to Argo CD.
    pub health_scripts: BTreeMap<&'static str, &'static str>,
    /// What is left alone, with whom it is about.
    #[serde(skip)]
    pub differences: Vec<Scoped>,
}

/// How one Application is synced.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sync {
    /// Whether without being asked.
    pub automated: bool,
    /// Its options.
    pub options: Vec<String>,
    /// What it leaves alone.
    pub differences: Vec<Difference>,
    /// How the cluster is compared with the tree: as `compare-options` has it.
    pub compare: &'static str,
}

/// A time in which syncs may, or may not, happen; fields as Argo CD has them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncWindow {
    kind: &'static str,
    schedule: String,
    duration: String,
    applications: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
    manual_sync: bool,
    time_zone: String,
    /// The names, for rules.
    #[serde(skip)]
    pub names: Vec<Spanned<String>>,
}

/// Fields that are left alone, as Argo CD has them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    group: String,
    kind: String,
    name: Option<String>,
    #[serde(rename = "jsonPointers", skip_serializing_if = "Vec::is_empty")]
    pointers: Vec<String>,
    #[serde(rename = "jqPathExpressions", skip_serializing_if = "Vec::is_empty")]
    expressions: Vec<String>,
    #[serde(rename = "managedFieldsManagers", skip_serializing_if = "Vec::is_empty")]
    managers: Vec<String>,
}

/// A difference and the Applications it is about: all, if it names none.
#[derive(Clone, Debug)]
pub struct Scoped {
    difference: Difference,
    /// The stacks it names.
    pub stacks: Vec<Spanned<String>>,
    /// The services it names.
    pub services: Vec<Spanned<String>>,
    /// The charts it names.
    pub charts: Vec<Spanned<String>>,
    /// Where it stands.
    pub place: Span,
}

impl Scoped {
    /// Whether it names none.
    pub fn everywhere(&self) -> bool {
        self.stacks.is_empty() && self.services.is_empty() && self.charts.is_empty()
    }
}

/// What an inventory says of one stack's Application.
#[derive(Clone, Debug, Default)]
pub struct OfStack {
    automated: bool,
    options: Vec<String>,
    /// What its Application applies along with the tree.
    pub sources: Vec<Source>,
}

impl Extras {
    /// Has an ApplicationSet write lists of sources.
    pub fn list_sources(&mut self) {
        self.several_sources = true;
        let condition = r#"(hasKey . "manual") }}"#;
        let with = r#"(hasKey . "manual") (hasKey . "sources") }}"#;
        let inner = r#"{{- if hasKey . "ignoreDifferences" }}"#;
        self.template_patch = TEMPLATE_PATCH.replacen(condition, with, 1).replacen(
            inner,
            &format!("{SOURCES_PATCH}{inner}"),
            1,
        );
    }

    /// How a stack's Application is synced.
    pub fn of_stack(&self, stack: &Stack) -> Sync {
        let own = &stack.argocd;
        let mut options = merged(self.sync.options.clone(), &own.options);
        options.extend((!stack.writes_namespace).then(|| "CreateNamespace=true".to_owned()));
        let mut differences = Vec::new();
        for scoped in &self.differences {
            if scoped.everywhere() || scoped.stacks.iter().any(|name| name.value == stack.name) {
                differences.push(scoped.difference.clone());
            }
            let named = |key: &str| scoped.services.iter().any(|own| own.value == key);
            for service in stack.services.iter().filter(|service| named(&service.key)) {
                let name = scoped.difference.name.clone().unwrap_or_else(|| service.name.clone());
                differences.push(Difference { name: Some(name), ..scoped.difference.clone() });
            }
        }
        // The API server refuses to try out a changed job, and Argo CD would never make it anew (argo-cd#29348).
        let jobs = stack.services.iter().any(|service| service.kind == Kind::Job);
        let compare = if jobs { BY_ITSELF } else { compared(&options) };
        respecting(Sync { automated: own.automated, options, differences, compare })
    }

    /// How a chart's Application is synced.
    /// `chart` is its name in the inventory, `kind` its name in its repository.
    pub fn of_chart(&self, chart: &str, kind: &str) -> Sync {
        let about =
            |scoped: &&Scoped| scoped.everywhere() || scoped.charts.iter().any(|name| name.value == chart);
        let differences = self.differences.iter().filter(about).map(|scoped| scoped.difference.clone());
        let differences = brought_along(kind).into_iter().chain(differences).collect();
        respecting(Sync { differences, ..self.sync.clone() })
    }

    /// How an Application of the infrastructure's folders is synced.
    pub fn of_folder(&self) -> Sync {
        let differences = self.differences.iter().filter(|scoped| scoped.everywhere());
        let differences = differences.map(|scoped| scoped.difference.clone());
        respecting(Sync { differences: differences.collect(), ..self.sync.clone() })
    }
}

/// What a chart's controllers change in what it brings along. MetalLB's CRD comes with a certificate that its
/// controller replaces by its own: Argo CD would put the old one back, again and again (metallb#1681, metallb#2571).
fn brought_along(kind: &str) -> Option<Difference> {
    (kind == "metallb").then(|| Difference {
        group: "apiextensions.k8s.io".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        name: Some("bgppeers.metallb.io".to_owned()),
        pointers: vec!["/spec/conversion/webhook/clientConfig/caBundle".to_owned()],
        expressions: Vec::new(),
        managers: Vec::new(),
    })
}

/// Argo CD compares by itself, and takes what an API server adds to items of lists for changes (argo-cd#22151).
const BY_ITSELF: &str = "ServerSideDiff=false";

/// The API server says what would change (Argo CD 2.10). Where it is not the one that applies, it does not see what is
/// gone from the tree (argo-cd#25205).
pub fn compared(options: &[String]) -> &'static str {
    let by_server = options.iter().any(|option| option == "ServerSideApply=true");
    if by_server { "ServerSideDiff=true" } else { BY_ITSELF }
}

/// What is left alone when comparing is left alone when syncing, too.
fn respecting(mut sync: Sync) -> Sync {
    if !sync.differences.is_empty() {
        let said = sync.options.iter().any(|option| option.starts_with("RespectIgnoreDifferences="));
        sync.options.extend((!said).then(|| "RespectIgnoreDifferences=true".to_owned()));
    }
    sync
}

/// Options with others laid over them. Of two that exclude each other, the later one stays.
pub fn merged(mut options: Vec<String>, over: &[String]) -> Vec<String> {
    let key = |option: &str| option.split('=').next().unwrap_or_default().to_owned();
    for option in over {
        match options.iter().position(|known| key(known) == key(option)) {
            Some(at) => options[at].clone_from(option),
            None => options.push(option.clone()),
        }
        if option == "Replace=true" {
            options.retain(|known| known != "ServerSideApply=true");
        }
    }
    options
}

/// What the chart of Argo CD itself gets, so that the waves of Applications wait.
pub fn customize(values: &mut serde_json::Value, extras: &Extras) {
    let mut set = |path: [&str; 2], key: &str, text: &str| {
        let mut at = &mut *values;
        for step in path {
            if !at.is_object() {
                *at = serde_json::json!({});
            }
            at = &mut at[step];
        }
        if at.is_null() {
            *at = serde_json::json!({});
        }
        if let Some(table) = at.as_object_mut() {
            table.entry(key.to_owned()).or_insert_with(|| text.into());
        }
    };
    if extras.health_customization {
        for (key, script) in HEALTH_SCRIPTS {
            set(["configs", "cm"], key, script);
        }
    }
    if extras.rolling_sync {
        set(["configs", "params"], PROGRESSIVE_SYNCS, "true");
    }
}
