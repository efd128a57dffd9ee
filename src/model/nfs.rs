//! NFS servers and their exports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::address::Range;
use crate::model::UNKNOWN_REFERENCE;
use crate::model::naming::{NameKind, check_name, report_unknown};
use crate::model::references::Resolver;
use crate::model::texts::list;
use crate::source::Spanned;

/// An NFS server.
#[derive(Clone, Debug, Serialize)]
pub struct Nfs {
    /// Its name.
    pub name: String,
    /// Its address or host name.
    pub server: Spanned<String>,
    /// The address, if it is one.
    #[serde(skip)]
    pub address: Option<Spanned<IpAddr>>,
    /// Its exports: name to path.
    pub exports: BTreeMap<String, Spanned<String>>,
    /// Mount options.
    pub mount_options: Vec<String>,
}

/// A path on an NFS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NfsPath {
    /// The server's address or name.
    pub server: String,
    /// The path on it.
    pub path: String,
    /// Mount options.
    pub mount_options: Vec<String>,
}

/// Lowers `[nfs]`.
pub fn lower_nfs(resolver: &mut Resolver<'_>) -> Vec<Nfs> {
    let tables = &resolver.inventory.tables.nfs;
    tables
        .iter()
        .map(|(name, entry)| {
            let table = &entry.value;
            let server = table.server.as_ref().map(|text| resolver.text(&text.0)).unwrap_or_default();
            let written = table.server.as_ref().map(|text| text.0.value.as_str()).unwrap_or_default();
            resolver.note_way(server.span, written);
            // What is missing, or a reference that leads nowhere, has been reported.
            let read = table.server.is_some() && !(server.is_empty() && written.contains("${"));
            let exports = table.exports.iter();
            Nfs {
                address: if read { nfs_address(resolver, &server) } else { None },
                server,
                exports: exports.map(|(key, entry)| (key.clone(), resolver.text(&entry.value))).collect(),
                mount_options: list(resolver, &table.mount_options),
                name: name.clone(),
            }
        })
        .collect()
}

/// A server that looks like an address must be one; anything else is a host name.
fn nfs_address(resolver: &mut Resolver<'_>, server: &Spanned<String>) -> Option<Spanned<IpAddr>> {
    if like_an_address(server) {
        return resolver
            .range(server, |text| crate::address::parse_host(text).map(Range::single))
            .map(|range| range.map(Range::first));
    }
    check_name(resolver, server, server.span, "a server", NameKind::Host);
    None
}

/// Whether a host is meant for an address: names have letters and no colons.
pub fn like_an_address(host: &str) -> bool {
    host.contains(':') || host.chars().all(|c| c.is_ascii_digit() || ".-/".contains(c))
}

/// An NFS export named as `server/export`; reported and `None` if there is none.
pub fn nfs_path(resolver: &mut Resolver<'_>, servers: &[Nfs], written: &Spanned<String>) -> Option<NfsPath> {
    let (server, export) = written.split_once('/').unwrap_or((written, ""));
    if export.is_empty() {
        let known = servers.iter().find(|nfs| nfs.name == server).map(|nfs| nfs.exports.keys());
        let known: Vec<String> =
            known.into_iter().flatten().take(6).map(|export| format!("`{server}/{export}`")).collect();
        let help = match known.is_empty() {
            true => "write the server and the export: `server/export`".to_owned(),
            false => format!("write the server and the export: {}", known.join(", ")),
        };
        resolver.found.push(
            UNKNOWN_REFERENCE
                .at(written.span, "no export", format!("`{written}` does not name an NFS export"))
                .help(help),
        );
        return None;
    }
    let Some(nfs) = servers.iter().find(|nfs| nfs.name == server) else {
        let known = resolver.known(servers.iter().map(|nfs| nfs.name.as_str()));
        report_unknown(resolver, &Spanned::new(server.to_owned(), written.span), "NFS server", &known);
        return None;
    };
    let Some(path) = nfs.exports.get(export) else {
        let known = resolver.known(nfs.exports.keys().map(String::as_str));
        let what = format!("export of NFS server `{server}`");
        report_unknown(resolver, &Spanned::new(export.to_owned(), written.span), &what, &known);
        return None;
    };
    Some(NfsPath {
        server: nfs.server.value.clone(),
        path: path.value.clone(),
        mount_options: nfs.mount_options.clone(),
    })
}
