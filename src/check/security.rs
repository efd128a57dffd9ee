//! Security: secrets in clear text, images and charts that move, users, sockets and connections.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::check::placement::patched;
use crate::check::secrets::{Telling, is_no_secret, looks_chosen, looks_random, shape, telling};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::value::PodSecurity;
use crate::model::container::Part;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::{HostPath, Source};
use crate::model::written::Written;
use crate::model::{Environment, Model};
use crate::object::image;
use crate::source::Span;

codes! { Security:
    /// A secret that everybody can read who reads the inventory.
    PLAINTEXT_SECRET = ("plaintext-secret", Error, "a secret stands in clear text");
    /// An image that is another one tomorrow.
    FLOATING_IMAGE_TAG = ("floating-image-tag", Warning, "an image tag that moves from one image to the next");
    /// A chart that is another one tomorrow.
    FLOATING_CHART_VERSION = ("floating-chart-version", Warning, "a chart version that is a range, or moves");
    /// Two ways to say which user runs the program.
    USER_ID_CLASH = ("user-id-clash", Warning, "`PUID` beside `runAsUser`: an image that changes its user must start as root");
    /// A user that may not run.
    ROOT_AS_NON_ROOT = ("root-as-non-root", Error, "a container that runs as root and may not");
    /// A container runtime's socket in a pod.
    CONTAINER_SOCKET_MOUNTED = ("container-socket-mounted", Warning, "a pod mounts its node's container socket, which is as good as root");
    /// A repository over a connection that anybody can change.
    UNENCRYPTED_REPOSITORY = ("unencrypted-repository", Warning, "a repository is read over an unencrypted connection");
}

/// Runs every rule about security.
pub fn check(model: &Model, found: &mut Diagnostics) {
    plaintext_secrets(model, found);
    for environment in &model.environments {
        for stack in &environment.stacks {
            for service in &stack.services {
                user_ids(model, environment, stack, service, found);
                root_as_non_root(model, environment, stack, service, found);
            }
        }
        for service in environment.services() {
            for part in
                service.containers().filter(|part| part.table.is_none() || part.image != &service.image)
            {
                floating_tag(service, &part, found);
            }
            sockets(service, found);
        }
    }
    for chart in &model.charts {
        floating_version(model, &chart.name, &chart.version, chart.place, found);
        unencrypted(model, &["charts", &chart.name, "repository"], &chart.repository, chart.place, found);
    }
    if let Some(gitops) = &model.gitops {
        unencrypted(model, &["gitops", "repository"], &gitops.repository, gitops.place, found);
    }
}

/// Tables below which a name may announce a secret. Elsewhere only the shape of the text counts.
const TELLING_TABLES: &[&str] = &["env", "values", "patch", "substitute", "args", "command", "files"];

fn plaintext_secrets(model: &Model, found: &mut Diagnostics) {
    let names = secret_names(model);
    let mut secrets: Vec<(Diagnostic, Span)> = Vec::new();
    model.each_text(|written| {
        if let Some((what, name)) = secret(&written, &names) {
            secrets.push((plaintext(&written, what, name), written.span));
        }
    });
    for (diagnostic, span) in secrets {
        found.hide(span);
        found.push(diagnostic);
    }
}

/// Names and keys of declared secrets: a text that is one of them points at a secret.
fn secret_names(model: &Model) -> BTreeSet<&str> {
    let secrets = model
        .environments
        .iter()
        .flat_map(|environment| &environment.stacks)
        .flat_map(|stack| &stack.secrets);
    let names = secrets.flat_map(|secret| {
        let keys = secret.keys.iter().map(|key| key.value.as_str());
        keys.chain([secret.name.as_str(), secret.key.as_str()])
    });
    names.collect()
}

/// What a text gives away, in words, and under which name; `None` if nothing.
fn secret<'w>(written: &Written<'w>, names: &BTreeSet<&str>) -> Option<(&'static str, &'w str)> {
    let (last, above) = written.path.split_last()?;
    if let Some(what) = shape(written.text) {
        return Some((what, last));
    }
    if !above.iter().chain([last]).any(|key| TELLING_TABLES.contains(key)) {
        return None;
    }
    let variable = above.contains(&"env");
    let plain =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let assigned = written.text.split_once('=').filter(|(name, _)| plain(name));
    // The lines of a file: `name = value`, `name: value`.
    let lines = written.text.lines().filter(|_| above.contains(&"files"));
    let settings = lines.filter_map(|line| {
        let (name, text) = line.split_once(['=', ':'])?;
        Some((name.trim(), text.trim().trim_matches(['"', '\'', ',']))).filter(|(name, _)| plain(name))
    });
    let candidates = [assigned, Some((*last, written.text))].into_iter().flatten().chain(settings);
    let mut told = candidates.filter_map(|(name, text)| Some((telling(name)?, name, text)));
    told.find_map(|(telling, name, text)| match telling {
        _ if is_no_secret(text) || names.contains(text) => None,
        Telling::Password => Some(("a password", name)),
        // A variable holds the key itself; chart values often hold the name of an object that does.
        Telling::Key if variable && looks_chosen(text) => Some(("a key or token", name)),
        Telling::Key => looks_random(text).then_some(("a key or token", name)),
    })
}

/// The label is at the key: the text itself is shown by no report.
fn plaintext(written: &Written<'_>, what: &str, name: &str) -> Diagnostic {
    let path = written.path;
    let owner = written.subjects();
    let message = match owner.first() {
        Some(owner) => format!("{what} stands in clear text in `{name}` of `{owner}`"),
        None => format!("{what} stands in clear text in the inventory"),
    };
    let help = match path {
        ["services", _, "env", ..] | ["environments", _, "services", _, "env", ..] => {
            format!("declare a secret with a key for it under `[secrets]`, write `secret-env.{name} = \"SECRET/KEY\"`, and change what has been in clear text")
        }
        ["stacks", ..] | ["environments", _, "env", ..] => {
            "declare it under `[secrets]` and give it to each service by `secret-env`; change what has been in clear text".to_owned()
        }
        ["charts", ..] => "name an existing Secret, or write `${NAME}` and let Flux fill it in (`gitops.flux.substitute-from`); change what has been in clear text".to_owned(),
        _ => "keep it in a Secret, and change what has been in clear text".to_owned(),
    };
    let diagnostic = PLAINTEXT_SECRET.at(written.key, "not for everybody's eyes", message);
    owner.into_iter().fold(diagnostic, Diagnostic::about).help(help)
}

/// Tags that publishers move on to the next image.
const FLOATING_TAGS: &[&str] = &[
    "alpha",
    "beta",
    "canary",
    "dev",
    "develop",
    "development",
    "edge",
    "latest",
    "lts",
    "main",
    "mainline",
    "master",
    "nightly",
    "preview",
    "rc",
    "release",
    "rolling",
    "snapshot",
    "stable",
    "testing",
    "unstable",
];

fn floating_tag(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let image = part.image.value.as_str();
    let named = part.named(&service.key);
    let last = image.rsplit('/').next().unwrap_or_default();
    if image.contains('@') || last.contains("${") || image::check(image).is_err() {
        return;
    }
    let (message, label) = match last.split_once(':') {
        None => (format!("image `{image}` of {named} has no tag: `latest` is meant"), "no tag"),
        Some((_, tag)) if floats(tag) => (
            format!("tag `{tag}` of {named} moves from one image to the next"),
            "may be another image tomorrow",
        ),
        Some(_) => return,
    };
    found.push(
        FLOATING_IMAGE_TAG
            .at(part.image.span, label, message)
            .about(service.subject())
            .help("name a version, such as `:1.2.3`, or a digest"),
    );
}

/// `latest`, and with a suffix that is no version: `latest-alpine`, `nightly-debian`.
fn floats(tag: &str) -> bool {
    let first = tag.split(['-', '_']).next().unwrap_or_default();
    FLOATING_TAGS.contains(&first) && !tag.contains(|c: char| c.is_ascii_digit())
}

fn floating_version(model: &Model, name: &str, version: &str, place: Span, found: &mut Diagnostics) {
    let range = version.contains(['*', '^', '~', '>', '<', '|', ',', ' ']);
    let open = version.split('.').any(|part| part.eq_ignore_ascii_case("x")) || version == "latest";
    let short = !version.is_empty()
        && version.trim_start_matches('v').split('.').count() < 3
        && version.trim_start_matches('v').split('.').all(|part| part.parse::<u64>().is_ok());
    if version.contains("${") || !(range || open || short) {
        return;
    }
    let span = model.place_of("", &["charts", name, "version"]).unwrap_or(place);
    found.push(
        FLOATING_CHART_VERSION
            .at(
                span,
                "may be another chart tomorrow",
                format!("version `{version}` of chart `{name}` is not one version"),
            )
            .about(format!("charts.{name}"))
            .help("write the version in full, such as \"1.2.3\""),
    );
}

fn unencrypted(model: &Model, path: &[&str], url: &str, place: Span, found: &mut Diagnostics) {
    if !(url.starts_with("http://") || url.starts_with("git://")) {
        return;
    }
    let span = model.place_of("", path).unwrap_or(place);
    let owner = path[..path.len() - 1].join(".");
    found.push(
        UNENCRYPTED_REPOSITORY
            .at(
                span,
                "anybody on the way can change it",
                format!("the repository of `{owner}` is read without encryption"),
            )
            .about(owner)
            .help("use `https://`"),
    );
}

/// Images whose start-up script changes to `PUID` and needs root for it.
fn changes_user(image: &str) -> bool {
    ["linuxserver/", "hotio/"].iter().any(|publisher| image.contains(publisher))
}

/// The user of a security context: where, and who.
struct RunAs<'m> {
    span: Span,
    key: &'m str,
}

fn run_as<'m>(model: &Model, environment: &Environment, service: &'m Service) -> Option<RunAs<'m>> {
    let contexts = [
        ("security-context", &service.security_context),
        ("pod-security-context", &service.pod_security_context),
    ];
    contexts.into_iter().find_map(|(table, context)| {
        let context = context.as_ref()?;
        let set = |key: &str| match &context.value[key] {
            Json::Number(number) => number.as_i64() != Some(0),
            flag => *flag == Json::Bool(true),
        };
        let key = ["runAsUser", "runAsNonRoot"].into_iter().find(|key| set(key))?;
        let path = ["services", &service.key, table, key];
        Some(RunAs { span: model.place_of(&environment.name, &path).unwrap_or(context.span), key })
    })
}

/// What a container says of itself counts before what its pod says. The kubelet starts no user 0 where `runAsNonRoot`
/// is `true`. Where the namespace forbids root, that has been told.
fn root_as_non_root(
    model: &Model,
    environment: &Environment,
    stack: &Stack,
    service: &Service,
    found: &mut Diagnostics,
) {
    if stack.pod_security == Some(PodSecurity::Restricted)
        || patched(service, &["securityContext", "containers"])
    {
        return;
    }
    let of_pod =
        service.pod_security_context.as_deref().map(|context| (vec!["pod-security-context"], context));
    for part in service.containers() {
        let mut path: Vec<&str> = part.table.into_iter().flat_map(|(table, name)| [table, name]).collect();
        path.push("security-context");
        let own = part.security_context.map(|context| (path, context));
        let said = |key: &str, value: Json| {
            let all = own.iter().chain(&of_pod);
            let (path, context) = all.clone().find(|(_, context)| !context.value[key].is_null())?;
            let path = [&["services", &service.key], path.as_slice(), &[key]].concat();
            let place = model.place_of(&environment.name, &path).unwrap_or(context.span);
            (context.value[key] == value).then_some(place)
        };
        let (Some(root), Some(never)) =
            (said("runAsUser", Json::from(0)), said("runAsNonRoot", Json::Bool(true)))
        else {
            continue;
        };
        let message = format!("{} runs as root, and `runAsNonRoot` forbids that", part.named(&service.key));
        found.push(
            ROOT_AS_NON_ROOT
                .at(root, "root", message)
                .because(never, "never as root")
                .about(service.subject())
                .help("give another `runAsUser`, or `runAsNonRoot = false` to this container"),
        );
    }
}

fn user_ids(
    model: &Model,
    environment: &Environment,
    stack: &Stack,
    service: &Service,
    found: &mut Diagnostics,
) {
    let Some(user) = run_as(model, environment, service) else { return };
    let own = service.env.iter().find(|variable| variable.name == "PUID").map(|variable| variable.place);
    // A stack gives PUID to all its services; only some images heed it.
    let shared = || {
        let of_environment = model.place_of("", &["environments", &environment.name, "env", "PUID"]);
        let of_stack = model.place_of(&environment.name, &["stacks", &stack.name, "env", "PUID"]);
        let given = stack.env.contains_key("PUID") && changes_user(&service.image);
        given.then(|| of_environment.or(of_stack).unwrap_or(stack.place))
    };
    let Some(puid) = own.or_else(shared) else { return };
    let message = format!("service `{}` has `PUID` and `{}` both", service.key, user.key);
    found.push(
        USER_ID_CLASH
            .at(user.span, "starts as this user", message)
            .because(puid, "and changes to this one, which only root can")
            .about(service.subject())
            .help("images with `PUID` start as root and change by themselves: drop `runAsUser`, or use an image without `PUID`"),
    );
}

fn sockets(service: &Service, found: &mut Diagnostics) {
    const SOCKETS: &[&str] = &["docker.sock", "containerd.sock", "crio.sock", "podman.sock"];
    for volume in &service.volumes {
        let Source::HostPath(HostPath { path, .. }) = &volume.source else { continue };
        if SOCKETS.iter().any(|socket| path.trim_end_matches('/').ends_with(socket)) {
            let message =
                format!("service `{}` mounts `{path}`: whoever breaks into it has the node", service.key);
            found.push(
                CONTAINER_SOCKET_MOUNTED
                    .at(volume.place, "as good as root on the node", message)
                    .about(service.subject())
                    .help("use what the Kubernetes API offers instead, or a proxy that lets only reading through"),
            );
        }
    }
}
