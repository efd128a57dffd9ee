//! Stories of `bayplan ip`: who has which address, and what is free.

use serde_json::Value;

use crate::bayplan::Desk;
use crate::inventories::named;

const SMALL: &str = r#"[network]
lan = "192.168.1.0/24"
gateway = "192.168.1.1"
dhcp = "192.168.1.100-192.168.1.199"

[nodes]
w1 = { ip = "192.168.1.2" }

[metallb.pools.house]
addresses = ["192.168.1.64/30"]

[stacks.media]

[services.plex]
stack = "media"
image = "plex:1.2.3"
ip = "192.168.1.65"
ports.http = 32400
"#;

fn json(desk: &Desk, command: &str) -> Value {
    serde_json::from_str(&desk.ok(command).out).unwrap()
}

#[test]
fn every_address_has_a_line_with_its_owner_and_place() {
    let said = Desk::with(SMALL).ok("ip list");
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 4, "{}", said.out);
    assert!(lines[1].starts_with("192.168.1.1   the gateway"), "{}", said.out);
    assert!(lines[3].contains("service `plex`") && lines[3].ends_with("inventory.toml:17:6"), "{}", said.out);
}

#[test]
fn the_next_free_address_is_named() {
    let desk = Desk::with(SMALL);
    assert_eq!(desk.ok("ip next").out, "192.168.1.64\n");
    assert_eq!(desk.ok("ip next --pool house -n 3").out, "192.168.1.64\n192.168.1.66\n192.168.1.67\n");
    assert_eq!(desk.ok("ip next --lan").out, "192.168.1.3\n");
    let said = desk.run("ip next --count 4");
    assert_eq!((said.code, said.out.lines().count()), (Some(1), 3));
    assert!(said.err.contains("only 3 of 4 are free"), "{}", said.err);
    let full = Desk::with(
        "[metallb.pools.one]\naddresses = [\"10.0.0.60/32\"]\n\n[stacks.web]\n\n[services.plex]\nstack = \"web\"\n\
         image = \"plex:1\"\nip = \"10.0.0.60\"\nports.http = 80\n",
    );
    let said = full.run("ip next");
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("none is free"), "{}", said.err);
    let said = desk.run("ip next --pool hose");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("did you mean `house`?"), "{}", said.err);
    let found = json(&desk, "ip next --format json");
    assert_eq!(found["addresses"][0]["pool"], "house");
}

#[test]
fn pools_for_everyone_come_first_and_others_say_whom_they_serve() {
    let desk = Desk::with(
        "[metallb.pools.a]\naddresses = [\"10.0.0.60/32\"]\nnamespaces = [\"web\"]\nservices = [\"plex\"]\n\n\
         [metallb.pools.b]\naddresses = [\"10.0.0.70/32\"]\n\n[stacks.web]\n\n\
         [services.plex]\nstack = \"web\"\nimage = \"plex:1.2.3\"\nports.http = 80\n",
    );
    let said = desk.ok("ip next");
    assert_eq!((said.out.as_str(), said.err.as_str()), ("10.0.0.70\n", ""));
    let said = desk.ok("ip next -n 2");
    assert_eq!(said.out, "10.0.0.70\n10.0.0.60\n");
    assert!(said.err.contains("pool `a` serves only namespace web and service plex"), "{}", said.err);
    assert_eq!(desk.ok("ip next --pool a").err, "");
}

#[test]
fn a_gateway_that_takes_any_address_is_counted() {
    let gateway = "\n[ingress]\nprovider = \"gateway\"\n\n[ingress.gateway]\nname = \"web\"\nnamespace = \"gw\"\nclass = \"eg\"\n";
    let said = Desk::with(&format!("{SMALL}{gateway}")).ok("ip next");
    assert!(said.err.contains("1 that take any address may have got one"), "{}", said.err);
}

#[test]
fn what_is_no_address_is_explained() {
    let desk = Desk::with(SMALL);
    let said = desk.run("ip find 192.168.1.065");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("leading zero") && said.err.contains("write `192.168.1.65`"), "{}", said.err);
    assert!(desk.run("ip find ::ffff:192.168.1.65").err.contains("write `192.168.1.65`"));
}

#[test]
fn an_address_is_found_with_whatever_it_lies_in() {
    let desk = Desk::with(SMALL);
    let found = json(&desk, "ip find 192.168.1.65 --format json");
    assert_eq!(found["held"][0]["subject"], "services.plex");
    assert_eq!(found["held"][0]["place"]["line"], 17);
    let kinds: Vec<&str> =
        found["within"].as_array().unwrap().iter().map(|range| range["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["pool", "lan"]);
    assert!(desk.ok("ip find 192.168.1.150").out.starts_with("192.168.1.150: nobody has it\n"));
    assert!(desk.ok("ip find 10.0.0.1").out.contains("unknown to the inventory"));
    assert_eq!(desk.run("ip find plex").code, Some(2));
}

#[test]
fn an_address_in_a_file_of_values_is_known() {
    let chart = r#"
[charts.proxy]
repository = "https://charts.example.com"
chart = "proxy"
version = "1.0.0"
namespace = "proxy"
values-file = "proxy.yaml"
addresses.web = "${charts.proxy.values.service.ip}"
"#;
    let desk = Desk::with(&format!("{SMALL}{chart}"));
    desk.write("proxy.yaml", "service: { ip: 192.168.1.66 }\n");
    assert!(desk.ok("ip find 192.168.1.66").out.contains("`web` of chart `proxy`"));
    assert_eq!(desk.ok("ip next").out, "192.168.1.64\n");
    assert_eq!(desk.ok("ip next -n 2").out, "192.168.1.64\n192.168.1.67\n");
}

#[test]
fn the_map_shows_what_is_held_and_what_is_free() {
    let map = Desk::with(SMALL).ok("ip map").out;
    let expected = "\
192.168.1.0/24
  192.168.1.1                    the gateway
  192.168.1.2                    node `w1`
  192.168.1.3 - 192.168.1.63     free: 61
  192.168.1.64 - 192.168.1.67    pool `house`: 3 of 4 free
    192.168.1.65                 service `plex`
  192.168.1.68 - 192.168.1.99    free: 32
  192.168.1.100 - 192.168.1.199  DHCP: 100
  192.168.1.200 - 192.168.1.254  free: 55
";
    assert_eq!(map, expected);
}

#[test]
fn an_inventory_with_errors_is_answered_for() {
    let clash = format!(
        "{SMALL}\n[services.jellyfin]\nstack = \"media\"\nimage = \"jellyfin:1.0\"\nip = \"192.168.1.65\"\nports.http = 80\n"
    );
    let said = Desk::with(&clash).ok("ip find 192.168.1.65");
    assert!(said.out.contains("`plex`") && said.out.contains("`jellyfin`"), "{}", said.out);
    assert!(said.err.contains("1 error; `bayplan check` shows them"), "{}", said.err);
    assert_eq!(Desk::with("[services\n").run("ip map").code, Some(2));
    assert_eq!(Desk::with("").ok("ip map").out, "the inventory names no address\n");
}

#[test]
fn whoever_asks_for_any_address_is_counted() {
    let said = Desk::with(&named("machines").text).ok("ip next");
    assert_eq!(said.out, "192.168.30.200\n");
    assert!(said.err.contains("1 with `ip = \"auto\"`"), "{}", said.err);
}

#[test]
fn what_a_pool_gives_out_is_counted_in_one_way() {
    let large = Desk::with(
        "[metallb.pools.large]\naddresses = [\"100.64.0.0/15\", \"fd00::/64\"]\navoid-buggy-ips = true\n",
    );
    assert_eq!(large.ok("ip next -n 255").out.lines().last(), Some("100.64.1.1"));
    let ends = Desk::with(
        "[network]\nlan = \"192.168.1.0/24\"\n\n[metallb.pools.ends]\naddresses = [\"192.168.1.254-192.168.1.255\"]\n",
    );
    assert!(ends.ok("ip map").out.contains("pool `ends`: 1 of 2 free"));
    assert_eq!(ends.ok("ip next").out, "192.168.1.254\n");
    ends.ok("render");
    assert!(
        ends.read("out/README.md").contains("| ends | 192.168.1.254/31 | 1 |"),
        "{}",
        ends.read("out/README.md")
    );
}

#[test]
fn what_only_one_family_of_services_can_have_is_offered_alone() {
    let desk = Desk::with(
        "[cluster]\nservice-cidr = \"10.96.0.0/12\"\n\n[metallb.pools.both]\naddresses = [\"192.168.1.60/32\", \"fd00::10/124\"]\n",
    );
    assert_eq!(desk.run("ip next -n 2").out, "192.168.1.60\n");
}

#[test]
fn either_family_can_be_asked_for() {
    let desk = Desk::with("[network]\nlan = [\"192.168.1.0/30\", \"fd00:1::/64\"]\n");
    assert_eq!(desk.ok("ip next --lan").out, "192.168.1.1\n");
    assert_eq!(desk.ok("ip next --lan --family ipv6").out, "fd00:1::1\n");
    assert_eq!(desk.run("ip next --lan --family ipv4 -n 9").out, "192.168.1.1\n192.168.1.2\n");
}

#[test]
fn machines_that_are_only_named_are_taken() {
    let desk = Desk::with(
        "[network]\nlan = \"192.168.1.0/29\"\ngateway = \"192.168.1.1\"\ndns = [\"192.168.1.2\", \"9.9.9.9\"]\n\n[metallb.bgp.peers.router]\nmy-asn = 64500\npeer-asn = 64501\npeer-address = \"192.168.1.3\"\n",
    );
    assert_eq!(desk.ok("ip next --lan").out, "192.168.1.4\n");
    assert!(
        desk.ok("ip map").out.contains("192.168.1.2                the name server"),
        "{}",
        desk.ok("ip map").out
    );
    assert!(!desk.ok("ip list").out.contains("9.9.9.9"));
}

#[test]
fn an_address_by_reference_has_the_owner_that_takes_it() {
    let desk = Desk::with(
        "[network]\nlan = \"192.168.1.0/24\"\nreserved = { web = [\"192.168.1.60\", \"192.168.1.9\"], nas = \"192.168.1.5\" }\n\n[nfs.nas]\nserver = \"${network.reserved.nas}\"\nexports.media = \"/media\"\n\n[metallb.pools.house]\naddresses = [\"192.168.1.60/30\"]\n\n[charts.traefik]\nrepository = \"https://traefik.github.io/charts\"\nchart = \"traefik\"\nversion = \"37.1.0\"\nnamespace = \"traefik\"\naddresses.web = \"${network.reserved.web.0}\"\nvalues.service.spec.loadBalancerIP = \"${addresses.web}\"\n",
    );
    desk.ok("render");
    let page = desk.read("out/README.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| 192.168.1.")).collect();
    assert_eq!(
        rows.iter().map(|row| row.split('|').nth(2).unwrap().trim()).collect::<Vec<_>>(),
        ["reserved `nas`", "reserved `web`", "`web` of chart `traefik`"],
        "{page}"
    );
}
