//! Where a process is controlled.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a process is controlled: the path of a Unix socket, or a loopback address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Socket(PathBuf),
    /// A port on a loopback address. With 0, the process chooses one.
    Loopback(SocketAddr),
}

/// Says why a text is not an [`Address`].
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// It is an address that other machines can reach.
    #[error(
        "{0} is not a loopback address: whoever reaches this address controls Taffrail, so it never listens on a network; use `127.0.0.1:PORT` or the path of a socket, and a tunnel such as `ssh -L` from another machine"
    )]
    NotLoopback(String),
    /// It is empty.
    #[error("it is empty; use the path of a socket, or `127.0.0.1:PORT`")]
    Empty,
}

impl FromStr for Address {
    type Err = BadAddress;

    /// Parses `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT`, or a path. A path that looks like
    /// a name with a port needs a slash.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let not_loopback = || BadAddress::NotLoopback(text.to_owned());
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.ip().is_loopback() {
                true => Ok(Self::Loopback(address)),
                false => Err(not_loopback()),
            };
        }
        let port = |port: &str| port.parse::<u16>().ok();
        match text.rsplit_once(':') {
            _ if text.is_empty() => Err(BadAddress::Empty),
            Some((host, rest)) if !text.contains('/') && port(rest).is_some() => {
                let port = port(rest).filter(|_| host.eq_ignore_ascii_case("localhost"));
                let port = port.ok_or_else(not_loopback)?;
                Ok(Self::Loopback((Ipv4Addr::LOCALHOST, port).into()))
            }
            _ => Ok(Self::Socket(text.into())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Loopback(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_or_on_this_machine() {
        for (text, shown) in [
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("localhost:9000", "127.0.0.1:9000"),
            ("[::1]:0", "[::1]:0"),
        ] {
            let address: Address = text.parse().unwrap();
            assert!(matches!(address, Address::Loopback(_)), "{text}");
            assert_eq!(address.to_string(), shown);
        }
        for path in [
            "socket",
            "/run/taffrail.sock",
            "./odd:1",
            "odd:name",
            "127.0.0.1",
        ] {
            assert_eq!(
                path.parse::<Address>().unwrap(),
                Address::Socket(path.into())
            );
        }
        for refused in ["0.0.0.0:1", "192.0.2.1:80", "[::]:1", "example.com:80"] {
            let error = refused.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("is not a loopback address"), "{error}");
        }
        assert!("".parse::<Address>().is_err());
    }
}
