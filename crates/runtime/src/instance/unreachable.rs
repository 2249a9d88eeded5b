//! Addresses that no Worker may connect to.

use http::Uri;
use std::net::{IpAddr, SocketAddr};
use tokio::net::lookup_host;

/// Returns why a request may not go out, if its host is one of these addresses under whatever
/// name. Names are looked up only if the port is that of one of them.
///
/// The connection looks the name up again. A name that leads elsewhere by then gets through, so
/// what listens at such an address must also identify its clients.
pub(super) async fn refusal(addresses: &[SocketAddr], uri: &Uri) -> Option<String> {
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    let addresses = addresses.iter().filter(|address| address.port() == port);
    let addresses: Vec<_> = addresses.map(SocketAddr::ip).collect();
    if addresses.is_empty() {
        return None;
    }
    let host = uri.host()?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    // A name that leads nowhere fails when it is connected to.
    let mut found = lookup_host((name, port)).await.ok()?;
    let leads_there = |found: SocketAddr| addresses.iter().any(|to| leads_to(found.ip(), *to));
    found.any(leads_there).then(|| {
        format!("No Worker is permitted to reach {host}:{port}: Taffrail is controlled there.")
    })
}

/// Whether a connection to `found` may arrive at `address` of this machine. The unspecified
/// address is the loopback one, and the loopback addresses stand for each other.
fn leads_to(found: IpAddr, address: IpAddr) -> bool {
    let (found, address) = (found.to_canonical(), address.to_canonical());
    let is_own = found.is_loopback() || found.is_unspecified();
    found == address || is_own && address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_refused(uri: &str) -> bool {
        let control = SocketAddr::from(([127, 0, 0, 1], 9000));
        let uri = uri.parse().expect("a URI");
        refusal(&[control], &uri).await.is_some()
    }

    #[tokio::test]
    async fn an_address_is_refused_under_all_of_its_names() {
        for host in [
            "127.0.0.1",
            "localhost",
            "LOCALHOST",
            "0x7f.1",
            "2130706433",
            "127.1",
            "0.0.0.0",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::]",
        ] {
            assert!(is_refused(&format!("http://{host}:9000/")).await, "{host}");
            assert!(is_refused(&format!("https://{host}:9000/")).await, "{host}");
            assert!(!is_refused(&format!("http://{host}:9001/")).await, "{host}");
            assert!(!is_refused(&format!("http://{host}/")).await, "{host}");
        }
        assert!(!is_refused("http://192.0.2.1:9000/").await);
    }
}
