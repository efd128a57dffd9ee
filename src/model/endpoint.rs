//! Where the API server answers: a URL, `host:port` or a host.

use std::net::{IpAddr, Ipv6Addr};

use crate::model::BAD_VALUE;
use crate::model::nfs::like_an_address;
use crate::model::references::Resolver;
use crate::object::naming::host_fault;
use crate::source::Spanned;

/// The port of a URL that names none.
const URL_PORT: u16 = 443;
/// The API server's own port.
const API_PORT: u16 = 6443;

/// An endpoint, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint<'t> {
    /// The name or address, without brackets.
    pub host: &'t str,
    /// The port; of a URL without one 443, else 6443.
    pub port: u16,
}

impl Endpoint<'_> {
    /// As a URL, always with its port.
    pub fn url(&self) -> String {
        let host = match self.host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.to_owned(),
        };
        format!("https://{host}:{}", self.port)
    }
}

/// Takes an endpoint apart.
///
/// # Errors
///
/// Why it is none, as the end of a sentence.
pub fn read(text: &str) -> Result<Endpoint<'_>, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    if let Some(scheme) = scheme.filter(|scheme| *scheme != "https") {
        return Err(format!("the API server speaks `https`, not `{scheme}`"));
    }
    let authority = rest.trim_end_matches('/');
    if authority.contains(['/', '?', '#']) {
        return Err("it is `https://host:port`, and nothing behind it".to_owned());
    }
    let (host, port) = split(authority);
    let port = match port {
        None if scheme.is_some() => URL_PORT,
        None => API_PORT,
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(format!("`{port}` is no port from 1 to 65535")),
            Ok(port) => port,
        },
    };
    // What looks like an address is read as one elsewhere.
    match host_fault(host).filter(|_| host.is_empty() || !like_an_address(host)) {
        Some(_) if host.is_empty() => Err("it names no host".to_owned()),
        Some(reason) => Err(format!("`{host}` is no host: {reason}")),
        None => Ok(Endpoint { host, port }),
    }
}

/// Host and port; IPv6 stands in brackets where a port follows.
fn split(authority: &str) -> (&str, Option<&str>) {
    if let Some((host, port)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, port.strip_prefix(':'));
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return (authority, None);
    }
    match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

/// Reports what is no endpoint.
pub fn check_endpoint(resolver: &mut Resolver<'_>, text: &Spanned<String>) {
    if text.is_empty() || text.contains("${") {
        return;
    }
    if let Err(reason) = read(text) {
        let message = format!("`{text}` is not where an API server answers: {reason}");
        resolver.found.push(
            BAD_VALUE
                .at(text.span, "not an endpoint", message)
                .help("write it as in \"https://192.168.1.10:6443\""),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn endpoints() {
        for (text, url) in [
            ("https://10.0.0.2:6443", "https://10.0.0.2:6443"),
            ("https://10.0.0.2/", "https://10.0.0.2:443"),
            ("https://[fd00::2]", "https://[fd00::2]:443"),
            ("[fd00::2]:7443", "https://[fd00::2]:7443"),
            ("fd00::2", "https://[fd00::2]:6443"),
            ("10.0.0.2", "https://10.0.0.2:6443"),
            ("api.example.org", "https://api.example.org:6443"),
        ] {
            assert_eq!(read(text).map(|endpoint| endpoint.url()).as_deref(), Ok(url), "{text}");
        }
        for (text, reason) in [
            ("https:/10.0.0.1", "nothing behind it"),
            ("10.0.0.2:99999", "no port"),
            ("10.0.0.2:", "no port"),
            ("http://10.0.0.2", "speaks `https`"),
            ("https://", "no host"),
            ("https://a_b", "is no host"),
        ] {
            assert!(read(text).is_err_and(|found| found.contains(reason)), "{text}");
        }
    }
}
