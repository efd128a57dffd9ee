//! Programs that keep an SQLite database, on storage that loses its locks.

use crate::check::mounts::{Seen, mounts, on_nfs, trimmed, within};
use crate::diagnostic::{Diagnostics, codes};
use crate::model::Model;
use crate::model::container::Part;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::Source;

codes! { Storage:
    /// A program that keeps SQLite on NFS.
    SQLITE_ON_NETWORK_STORAGE = ("sqlite-on-network-storage", Warning, "an image that keeps an SQLite database has it on NFS");
}

/// Runs the rule about databases.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        for service in &stack.services {
            for part in service.containers() {
                judge(stack, service, &part, found);
            }
        }
    }
}

/// Images whose program keeps an SQLite database, and in which folder of the container. Images of all publishers: the
/// last part of the name counts, or the last two where the last says nothing. From the projects' own documentation.
const SQLITE_IMAGES: &[(&str, &[&str])] = &[
    ("audiobookshelf", &["/config"]),
    ("bazarr", &["/config"]),
    ("calibre-web", &["/config"]),
    ("emby", &["/config"]),
    ("embyserver", &["/config"]),
    ("filebrowser", &["/database"]),
    ("forgejo", &["/data", "/var/lib/gitea"]),
    ("frigate", &["/config"]),
    ("gitea", &["/data", "/var/lib/gitea"]),
    ("grafana", &["/var/lib/grafana"]),
    ("headscale", &["/var/lib/headscale"]),
    ("home-assistant", &["/config"]),
    ("homeassistant", &["/config"]),
    ("jellyfin", &["/config"]),
    ("jellyseerr", &["/app/config", "/config"]),
    ("kavita", &["/config", "/kavita/config"]),
    ("lidarr", &["/config"]),
    ("linkding", &["/etc/linkding/data"]),
    ("maintainerr", &["/opt/data"]),
    ("mealie", &["/app/data"]),
    ("mylar3", &["/config"]),
    ("n8n", &["/home/node/.n8n"]),
    ("navidrome", &["/data"]),
    ("ombi", &["/config"]),
    ("overseerr", &["/app/config", "/config"]),
    ("paperless-ngx", &["/usr/src/paperless/data"]),
    ("pihole", &["/etc/pihole"]),
    ("plex", &["/config"]),
    ("plex-media-server", &["/config"]),
    ("pms-docker", &["/config"]),
    ("prowlarr", &["/config"]),
    ("radarr", &["/config"]),
    ("readarr", &["/config"]),
    ("seerr", &["/app/config", "/config"]),
    ("sonarr", &["/config"]),
    ("tautulli", &["/config"]),
    ("uptime-kuma", &["/app/data"]),
    ("vaultwarden", &["/data"]),
    ("vaultwarden/server", &["/data"]),
    ("vikunja", &["/app/vikunja/files", "/db"]),
    ("whisparr", &["/config"]),
];

/// Variables with one of these words point the program at a database server instead.
const DATABASE_WORDS: &[&str] = &["POSTGRES", "MYSQL", "MARIADB", "DATABASE", "DB_HOST", "DBHOST", "DB_TYPE"];

fn sqlite_folders(image: &str) -> Option<&'static [&'static str]> {
    let path = image.split('@').next().unwrap_or_default();
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let name = path[start..].split(':').next().unwrap_or_default();
    let name = name.trim_end_matches("-develop").trim_end_matches("-nightly");
    let publisher = path[..start].trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let fits = |known: &str| match known.split_once('/') {
        Some((of, last)) => of == publisher && last == name,
        None => known == name,
    };
    SQLITE_IMAGES.iter().find(|(known, _)| fits(known)).map(|(_, folders)| *folders)
}

/// SQLite locks its file, and NFS loses locks: the database is corrupted sooner or later
/// (sqlite.org/faq.html#q5, the *arr wikis and Plex say so).
fn judge(stack: &Stack, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let Some(folders) = sqlite_folders(part.image) else { return };
    let own = part.env.iter().map(|variable| &variable.name);
    let own = own.chain(part.secret_env.iter().map(|variable| &variable.name));
    let names = own.chain(stack.env.keys().filter(|_| part.table.is_none()));
    let elsewhere = |name: &String| DATABASE_WORDS.iter().any(|word| name.to_uppercase().contains(word));
    if names.into_iter().any(elsewhere) {
        return;
    }
    let mounts = mounts(service, part);
    let Some(seen) = folders.iter().find_map(|folder| holder(&mounts, folder)) else { return };
    if !on_nfs(seen.volume) {
        return;
    }
    let message = format!(
        "{} keeps an SQLite database in `{}`, which is on NFS",
        part.named(&service.key),
        seen.path.value
    );
    let mut diagnostic = SQLITE_ON_NETWORK_STORAGE.at(seen.place, "on NFS", message).about(service.subject());
    if let Source::Claim { name, .. } = &seen.volume.source
        && let Some(claim) = stack.claim(name)
    {
        diagnostic = diagnostic.because(claim.place, "this claim");
    }
    found.push(diagnostic.because(part.image.span, "this program").help(
        "locks on NFS are lost sooner or later, and the database with them: mount a claim on a local disk or block storage there",
    ));
}

/// The volume that holds a folder of the container: the deepest mount above it.
fn holder<'m, 's>(mounts: &'m [Seen<'s>], folder: &str) -> Option<&'m Seen<'s>> {
    let above = mounts.iter().filter(|seen| within(folder, seen.path));
    above.max_by_key(|seen| trimmed(seen.path).len())
}

#[cfg(test)]
mod tests {
    use super::sqlite_folders;

    #[test]
    fn images_are_known_by_the_last_part_of_their_name() {
        let config: &[&str] = &["/config"];
        for image in [
            "radarr",
            "radarr:5",
            "lscr.io/linuxserver/radarr:5.2",
            "host:5000/radarr@sha256:00",
            "x/radarr-develop",
        ] {
            assert_eq!(sqlite_folders(image), Some(config), "{image}");
        }
        let data: &[&str] = &["/data"];
        for image in ["docker.io/vaultwarden/server:1.34", "vaultwarden/server@sha256:00", "x/vaultwarden"] {
            assert_eq!(sqlite_folders(image), Some(data), "{image}");
        }
        for image in ["qbittorrent", "radarr/exporter:1", "", "my-radarr", "server", "x/server:1", "/"] {
            assert_eq!(sqlite_folders(image), None, "{image}");
        }
    }
}
