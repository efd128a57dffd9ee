//! Failover: one key moves the pods, and turns round which way the data is copied.

use bayplan::object::Value;
use bayplan::object::read::read_documents;
use bayplan::tree::TreePath;

use crate::inventories::{Sample, named};

/// The objects of a file of the media stack's base.
fn objects(sample: &Sample, file: &str) -> Vec<Value> {
    let tree = sample.tree();
    let path = TreePath::parse(&format!("apps/media/base/{file}")).unwrap();
    read_documents(tree.get(&path).unwrap()).unwrap()
}

/// Where pods run, what they mount, and which claim is copied to which.
fn ways(sample: &Sample) -> [String; 4] {
    let pods = objects(sample, "plex.yaml");
    let copies = objects(sample, "backups.yaml");
    let text =
        |object: &Value, at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let copy = |kind: &str| copies.iter().find(|object| object["kind"] == kind).unwrap();
    [
        text(&pods[0], "/spec/template/spec/nodeSelector/kubernetes.io~1hostname"),
        text(&pods[0], "/spec/template/spec/volumes/0/persistentVolumeClaim/claimName"),
        text(copy("ReplicationSource"), "/spec/sourcePVC"),
        text(copy("ReplicationDestination"), "/spec/rsyncTLS/destinationPVC"),
    ]
}

#[test]
fn one_key_turns_pods_and_copies_round() {
    let before = named("backup");
    assert_eq!(ways(&before), ["n1", "plex-n1", "plex-n1", "plex-n2"]);
    let turned = before.text.replace("active = \"n1\"", "active = \"n2\"");
    let after = Sample::new("turned", "inventory.toml", turned);
    assert_eq!(ways(&after), ["n2", "plex-n2", "plex-n2", "plex-n1"]);
    assert_eq!(objects(&before, "claims.yaml"), objects(&after, "claims.yaml"), "no claim is lost");
}

/// VolSync names the Service of a destination for it, and the source has to know.
#[test]
fn the_source_knows_where_its_destination_listens() {
    let copies = objects(&named("backup"), "backups.yaml");
    let sources = copies.iter().filter(|object| object["kind"] == "ReplicationSource");
    for source in sources {
        let name = source["metadata"]["name"].as_str().unwrap();
        assert_eq!(source["spec"]["rsyncTLS"]["address"], format!("volsync-rsync-tls-dst-{name}"));
        let destination = |object: &&Value| {
            object["kind"] == "ReplicationDestination" && object["metadata"]["name"] == name
        };
        assert_eq!(copies.iter().filter(destination).count(), 1, "{name}");
    }
}

/// Each Syncthing knows the other by its ID, and both stay as they are when the pods move.
#[test]
fn syncthing_connects_both_copies_and_only_the_pods_move() {
    let before = named("backup");
    let file = |sample: &Sample, path: &str| {
        let tree = sample.tree();
        read_documents(tree.get(&TreePath::parse(path).unwrap()).unwrap()).unwrap()
    };
    let sources = file(&before, "apps/notes/base/backups.yaml");
    let known: Vec<(&str, &str)> = sources
        .iter()
        .filter_map(|object| {
            let peer = object.pointer("/spec/syncthing/peers/0/ID")?.as_str()?;
            Some((object.pointer("/metadata/name")?.as_str()?, peer.get(..7)?))
        })
        .collect();
    assert_eq!(known, [("vault-n2", "GVONGZX"), ("vault-n1", "7NDBKMJ")]);
    let turned = before.text.replace("primary = \"n2\"", "primary = \"n2\"\nactive = \"n1\"");
    let after = Sample::new("turned", "inventory.toml", turned);
    assert_eq!(sources, file(&after, "apps/notes/base/backups.yaml"), "the copies stay");
    let claim = |sample: &Sample| {
        let pods = file(sample, "apps/notes/base/silverbullet.yaml");
        pods[0].pointer("/spec/template/spec/volumes/0/persistentVolumeClaim/claimName").cloned()
    };
    assert_eq!(claim(&before), Some(Value::from("vault-n2")));
    assert_eq!(claim(&after), Some(Value::from("vault-n1")));
}
