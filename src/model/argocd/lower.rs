//! Lowering what the inventory says to Argo CD.

use std::collections::BTreeMap;

use super::{
    Difference, Extras, OPTIONS, OfStack, Scoped, Sync, SyncWindow, TEMPLATE_PATCH, compared, merged,
};
use crate::cron;
use crate::inventory::MISSING_KEY;
use crate::inventory::argocd::{self as written, ArgocdStyle};
use crate::inventory::gitops::Argocd as Table;
use crate::inventory::value::{Engine, Text};
use crate::model::naming::{known_only, report_unknown};
use crate::model::pointers::{check_expressions, check_pointers};
use crate::model::references::Resolver;
use crate::model::sources::lower_sources;
use crate::model::texts::{list, optional, texts};
use crate::model::zone::lower_time_zone;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::Spanned;

/// What Argo CD knows as an option of a whole Application.
const KNOWN_OPTIONS: &[&str] = &[
    "ApplyOutOfSyncOnly",
    "ClientSideApplyMigration",
    "Delete",
    "FailOnSharedResource",
    "Prune",
    "PruneLast",
    "PrunePropagationPolicy",
    "Replace",
    "RespectIgnoreDifferences",
    "ServerSideApply",
    "SkipDryRunOnMissingResource",
    "Validate",
];

/// Lowers what `[gitops.argocd]` says beside the order.
pub fn lower(resolver: &mut Resolver<'_>, table: &Table) -> Extras {
    let styled = table.style.as_ref().map(|style| style.value);
    let on = |flag: Option<&Spanned<bool>>| flag.is_some_and(|flag| flag.value);
    let application_set = styled == Some(ArgocdStyle::ApplicationSet);
    if let Some(flag) = table.rolling_sync.as_ref().filter(|flag| flag.value && !application_set) {
        let message = "`rolling-sync` is a way of ApplicationSets, and there is none";
        let diagnostic = CONFLICTING_KEYS.at(flag.span, "has no effect", message).about("gitops");
        resolver
            .found
            .push(diagnostic.help("add `style = \"applicationset\"`, or drop it: waves order Applications"));
    }
    if application_set {
        no_formulas(resolver, table);
    }
    strict_with_charts(resolver, table);
    strict_with_sources(resolver, table);
    alike_windows(resolver, &table.sync_windows);
    let notifications = table.notifications.as_ref();
    let options = options(resolver, &table.sync_options);
    let options = merged(OPTIONS.iter().map(|option| (*option).to_owned()).collect(), &options);
    Extras {
        application_set,
        rolling_sync: application_set && on(table.rolling_sync.as_ref()),
        strict_kinds: on(table.strict_kinds.as_ref()),
        sync_windows: table.sync_windows.iter().map(|window| lower_window(resolver, window)).collect(),
        sync: Sync { automated: true, compare: compared(&options), options, differences: Vec::new() },
        annotations: notifications.map(|table| subscriptions(resolver, table)).unwrap_or_default(),
        notifications: notifications.map(|table| texts(resolver, &table.config)).unwrap_or_default(),
        health_customization: on(table.health_customization.as_ref()),
        template_patch: TEMPLATE_PATCH.to_owned(),
        several_sources: false,
        health_scripts: BTreeMap::new(),
        differences: table.ignore_differences.iter().map(|one| lower_difference(resolver, one)).collect(),
    }
}

/// The kinds of a chart are not known before it is rendered, which only Argo CD does.
fn strict_with_charts(resolver: &mut Resolver<'_>, table: &Table) {
    let gitops = resolver.inventory.tables.gitops.as_ref();
    let engine = gitops.and_then(|gitops| gitops.infrastructure.as_ref().or(gitops.apps.as_ref()));
    let by_argocd = engine.is_some_and(|engine| engine.value == Engine::Argocd);
    let charts = by_argocd && !resolver.inventory.tables.charts.is_empty();
    if let Some(flag) = table.strict_kinds.as_ref().filter(|flag| flag.value && charts) {
        let message = "Argo CD applies charts, whose kinds of objects are not known here";
        let diagnostic = CONFLICTING_KEYS.at(flag.span, "cannot be kept", message).about("gitops");
        resolver.found.push(diagnostic.help("drop `strict-kinds`, or have Flux apply the infrastructure"));
    }
}

/// Nor are those of what comes from elsewhere.
fn strict_with_sources(resolver: &mut Resolver<'_>, table: &Table) {
    let Some(flag) = table.strict_kinds.as_ref().filter(|flag| flag.value) else { return };
    let tables = &resolver.inventory.tables;
    let of_environments = tables.environments.values().flat_map(|environment| environment.stacks.values());
    let source = tables
        .stacks
        .values()
        .map(|entry| &entry.value)
        .chain(of_environments.map(|entry| &entry.value))
        .filter_map(|stack| stack.argocd.as_ref())
        .find_map(|argocd| argocd.sources.first());
    if let Some(source) = source {
        let message = "Argo CD applies what comes from elsewhere, whose kinds of objects are not known here";
        let diagnostic = CONFLICTING_KEYS.at(flag.span, "cannot be kept", message).about("gitops");
        resolver.found.push(diagnostic.because(source.span, "from elsewhere").help("drop `strict-kinds`"));
    }
}

/// Lowers what a stack says of its Application.
pub fn lower_stack(
    resolver: &mut Resolver<'_>,
    table: Option<&written::StackArgocd>,
    stack: &str,
) -> OfStack {
    let off = table.and_then(|table| table.automated.as_ref()).filter(|flag| !flag.value);
    let gitops = resolver.inventory.tables.gitops.as_ref().and_then(|gitops| gitops.argocd.as_ref());
    let rolling = gitops.and_then(|argocd| argocd.rolling_sync.as_ref()).filter(|flag| flag.value);
    if let (Some(off), Some(rolling)) = (off, rolling) {
        let message = "`rolling-sync` syncs every Application, whatever `automated` says";
        let diagnostic =
            CONFLICTING_KEYS.at(off.span, "has no effect", message).because(rolling.span, "this");
        resolver.found.push(diagnostic.help("keep one of them"));
    }
    let automated = off.is_none();
    OfStack {
        automated,
        options: table.map(|table| options(resolver, &table.sync_options)).unwrap_or_default(),
        sources: table
            .map(|table| lower_sources(resolver, &table.sources, &format!("stacks.{stack}.argocd")))
            .unwrap_or_default(),
    }
}

fn options(resolver: &mut Resolver<'_>, written: &[Text]) -> Vec<String> {
    let mut options = Vec::new();
    for option in written {
        let option = resolver.text(option);
        match option_fault(&option) {
            None => options.push(option.value),
            Some((reason, help)) => {
                let message = format!("`{option}` is no sync option: {reason}");
                let diagnostic = BAD_VALUE.at(option.span, "not a sync option", message).about("gitops");
                resolver.found.push(diagnostic.help(help));
            }
        }
    }
    options
}

fn option_fault(option: &str) -> Option<(&'static str, String)> {
    let Some((name, value)) = option.split_once('=').filter(|(_, value)| !value.is_empty()) else {
        return Some((
            "it has no value",
            "write it as `Name=value`, such as \"ApplyOutOfSyncOnly=true\"".to_owned(),
        ));
    };
    if name == "CreateNamespace" {
        let help = "drop it: it is written where the namespace is not part of the tree";
        return Some(("bayplan decides that one", help.to_owned()));
    }
    if KNOWN_OPTIONS.contains(&name) {
        let flag = ["true", "false"].contains(&value)
            || ["PrunePropagationPolicy", "Prune", "Delete"].contains(&name);
        return (!flag).then(|| ("it is true or false", format!("write \"{name}=true\"")));
    }
    let near = crate::diagnostic::nearest(name, KNOWN_OPTIONS.iter().copied());
    let help = match near {
        Some(near) => format!("did you mean `{near}={value}`?"),
        None => format!("known: {}", KNOWN_OPTIONS.join(", ")),
    };
    Some(("Argo CD does not know it", help))
}

fn lower_window(resolver: &mut Resolver<'_>, window: &written::SyncWindow) -> SyncWindow {
    let schedule = window.schedule.as_ref().map(|text| resolver.text(text));
    if let Some(schedule) = &schedule
        && let Err(reason) = cron::parse_fields(schedule)
    {
        let message = format!("`{schedule}` is no schedule: {reason}");
        let diagnostic = BAD_VALUE.at(schedule.span, "cannot be read", message).about("gitops");
        resolver.found.push(diagnostic.help("write minute, hour, day, month and weekday: \"0 2 * * *\""));
    }
    let names: Vec<Spanned<String>> = window.applications.iter().map(|text| resolver.text(text)).collect();
    let namespaces = list(resolver, &window.namespaces);
    let mut applications: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
    if applications.is_empty() && namespaces.is_empty() {
        applications.push("*".to_owned());
    }
    let timezone = resolver.inventory.tables.cluster.as_ref().and_then(|cluster| cluster.timezone.as_ref());
    // The cluster's own is judged where it stands.
    let time_zone = match &window.time_zone {
        Some(own) => Some(lower_time_zone(resolver, own).value),
        None => optional(resolver, timezone),
    };
    SyncWindow {
        kind: window.kind.as_ref().map_or("allow", |kind| kind.value.word()),
        schedule: schedule.map(|schedule| schedule.value).unwrap_or_default(),
        duration: window.duration.as_ref().map(|duration| duration.0.value.clone()).unwrap_or_default(),
        applications,
        namespaces,
        manual_sync: window.manual_sync.as_ref().is_some_and(|flag| flag.value),
        time_zone: time_zone.unwrap_or_else(|| "UTC".to_owned()),
        names,
    }
}

/// What stands in an ApplicationSet's template is Argo CD's to expand: `{{ … }}` there would be a formula.
fn no_formulas(resolver: &mut Resolver<'_>, table: &Table) {
    let gitops = resolver.inventory.tables.gitops.as_ref();
    let named = gitops.into_iter().flat_map(|gitops| [&gitops.repository, &gitops.revision]);
    let subscribe = table.notifications.iter().flat_map(|table| table.subscribe.values());
    let whom = subscribe.flat_map(|services| services.value.values()).flat_map(|whom| &whom.0);
    for text in named.chain([&table.server]).flatten().chain(whom) {
        let written = resolver.quiet_text(text);
        if written.contains("{{") {
            let message = format!("`{written}` is a formula in the template of an ApplicationSet");
            let diagnostic = BAD_VALUE.at(text.span, "holds `{{`", message).about("gitops");
            resolver.found.push(diagnostic.help("write it without `{{`"));
        }
    }
}

/// Argo CD knows a window by its kind, schedule and duration, and refuses the whole project for two alike.
fn alike_windows(resolver: &mut Resolver<'_>, windows: &[written::SyncWindow]) {
    let mut known = BTreeMap::new();
    for window in windows {
        let kind = window.kind.as_ref().map_or("allow", |kind| kind.value.word());
        let texts = [window.schedule.as_ref(), window.duration.as_ref().map(|duration| &duration.0)];
        let [schedule, duration] = texts.map(|text| text.map(|text| resolver.quiet_text(text)));
        if let Some(first) = known.insert((kind, schedule, duration), window.span) {
            let message =
                "two sync windows have one kind, schedule and duration, and Argo CD refuses the second";
            let diagnostic = CONFLICTING_KEYS.at(window.span, "and this", message).because(first, "this");
            resolver.found.push(
                diagnostic
                    .about("gitops")
                    .help("make it one window of all their Applications, or write the duration otherwise"),
            );
        }
    }
}

/// `notifications.argoproj.io/subscribe.TRIGGER.SERVICE: whom;whom`.
fn subscriptions(resolver: &mut Resolver<'_>, table: &written::Notifications) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let triggers: Vec<&str> = table.config.keys().filter_map(|key| key.strip_prefix("trigger.")).collect();
    for (trigger, services) in &table.subscribe {
        if !triggers.is_empty() && !triggers.contains(&trigger.as_str()) {
            let name = Spanned::new(trigger.clone(), services.key);
            report_unknown(resolver, &name, "trigger of `config`", &triggers);
        }
        for (service, whom) in &services.value {
            let whom: Vec<String> = whom.0.iter().map(|text| resolver.text(text).value).collect();
            annotations
                .insert(format!("notifications.argoproj.io/subscribe.{trigger}.{service}"), whom.join(";"));
        }
    }
    annotations
}

fn lower_difference(resolver: &mut Resolver<'_>, table: &written::IgnoreDifference) -> Scoped {
    let [pointers, expressions, managers] =
        [&table.json_pointers, &table.jq_paths, &table.managers].map(|texts| list(resolver, texts));
    if pointers.is_empty() && expressions.is_empty() && managers.is_empty() {
        let message = "`ignore-differences` says of which kind, but not what is ignored";
        let diagnostic = MISSING_KEY.at(table.span, "ignores nothing", message).about("gitops");
        resolver.found.push(diagnostic.help("add `json-pointers`, `jq-paths` or `managers`"));
    }
    check_pointers(resolver, &table.json_pointers, "gitops");
    check_expressions(resolver, &table.jq_paths, "gitops");
    let tables = &resolver.inventory.tables;
    let names = [
        (&table.stacks, "stack", tables.stacks.keys().map(String::as_str).collect::<Vec<_>>()),
        (&table.services, "service", tables.services.keys().map(String::as_str).collect()),
        (&table.charts, "chart", tables.charts.keys().map(String::as_str).collect()),
    ];
    let [stacks, services, charts] =
        names.map(|(written, what, known)| scope(resolver, written, what, &known));
    let difference = Difference {
        group: optional(resolver, table.group.as_ref()).unwrap_or_default(),
        kind: optional(resolver, table.kind.as_ref()).unwrap_or_default(),
        name: optional(resolver, table.name.as_ref()),
        pointers,
        expressions,
        managers,
    };
    Scoped { difference, stacks, services, charts, place: table.span }
}

fn scope(resolver: &mut Resolver<'_>, written: &[Text], what: &str, known: &[&str]) -> Vec<Spanned<String>> {
    let names: Vec<Spanned<String>> = written.iter().map(|text| resolver.text(text)).collect();
    known_only(resolver, names, what, |name| known.contains(&name), || known.to_vec())
}

#[cfg(test)]
mod tests {
    use super::{merged, option_fault};

    #[test]
    fn options_replace_and_add() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let base = texts(&["ServerSideApply=true", "PruneLast=true"]);
        assert_eq!(
            merged(base.clone(), &texts(&["PruneLast=false", "Validate=false"])),
            ["ServerSideApply=true", "PruneLast=false", "Validate=false"]
        );
        assert_eq!(merged(base, &texts(&["Replace=true"])), ["PruneLast=true", "Replace=true"]);
        assert!(
            option_fault("Validate=false").is_none()
                && option_fault("PrunePropagationPolicy=background").is_none()
        );
        assert!(option_fault("Validate").is_some() && option_fault("CreateNamespace=true").is_some());
        assert_eq!(
            option_fault("Validat=true").map(|(_, help)| help).as_deref(),
            Some("did you mean `Validate=true`?")
        );
        assert!(option_fault("Validate=maybe").is_some());
    }
}
