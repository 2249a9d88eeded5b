//! An HTTP client that may do everything that no HTTP client should.

use crate::process::PATIENCE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// A connection whose other end is a server.
pub struct Client(BufReader<TcpStream>);

/// What the server answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Each header's name and value.
    pub headers: Vec<(String, String)>,
    /// The body, without the marks of its pieces.
    pub body: String,
}

impl Answer {
    /// The value of the first header of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Gets a path from a server, on a connection of its own.
///
/// # Panics
///
/// When there is no whole answer.
#[must_use]
pub fn get(server: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(server);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    ));
    client.answer()
}

impl Client {
    /// Connects to a server.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    #[must_use]
    pub fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends some bytes.
    ///
    /// # Panics
    ///
    /// When the server has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends some bytes, which the server may not want.
    ///
    /// # Errors
    ///
    /// When the server has closed the connection.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// Says that no more will be sent.
    ///
    /// # Panics
    ///
    /// When the connection is closed.
    pub fn end(&mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// Reads one whole answer.
    ///
    /// # Panics
    ///
    /// When it is broken, or does not come in time.
    #[must_use]
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let body = match answer.header("content-length") {
            _ if matches!(answer.status, 204 | 304) => Vec::new(),
            Some(length) => self.exactly(length.parse().unwrap()),
            None if answer.header("transfer-encoding") == Some("chunked") => {
                let mut body = Vec::new();
                loop {
                    match self.piece() {
                        piece if piece.is_empty() => break body,
                        piece => body.extend(piece),
                    }
                }
            }
            None => self.until_closed(),
        };
        answer.body = text(body);
        answer
    }

    /// Reads the status and the headers of an answer.
    ///
    /// # Panics
    ///
    /// When they are broken, or do not come in time.
    #[must_use]
    pub fn head(&mut self) -> Answer {
        let status = self.line();
        let headers = std::iter::from_fn(|| match self.line() {
            line if line.is_empty() => None,
            line => {
                let (name, value) = line.split_once(": ").unwrap();
                Some((name.to_owned(), value.to_owned()))
            }
        });
        let headers = headers.collect();
        let mut words = status.split(' ');
        assert!(words.next().unwrap().starts_with("HTTP/1."), "{status}");
        Answer {
            status: words.next().unwrap().parse().unwrap(),
            headers,
            body: String::new(),
        }
    }

    /// Reads one piece of a chunked body, which is empty at the end.
    ///
    /// # Panics
    ///
    /// When the body breaks off.
    #[must_use]
    pub fn piece(&mut self) -> Vec<u8> {
        let length = self.line();
        let length = usize::from_str_radix(&length, 16);
        let piece = self.exactly(length.expect("a body broke off"));
        assert_eq!(self.line(), "");
        piece
    }

    /// Reads until the server closes the connection, in whatever way.
    ///
    /// # Panics
    ///
    /// When it does not do so in time.
    #[must_use]
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                panic!("the connection is not closed: {error}")
            }
            _ => bytes,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
