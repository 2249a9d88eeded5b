//! A server on the network that Workers fetch from.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::process::PATIENCE;

/// Answers each request on a connection of its own.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    left: Receiver<String>,
}

/// A request as it came.
pub struct Received {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// Its header fields, one a line and sorted, but for those which depend on
    /// where the test runs.
    pub fields: String,
    /// All of its body.
    pub body: String,
}

/// What it is answered with.
pub enum Reply {
    /// Status and headers, and the whole body.
    Whole(&'static str, String, Vec<u8>),
    /// A body that goes on until nobody reads it.
    Endless,
    /// Nothing, until the other side is gone.
    Never,
    /// These bytes, and the end of the connection.
    Raw(&'static str),
}

impl Upstream {
    /// Starts to answer with what `reply` says.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    #[must_use]
    pub fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (gone, left) = channel();
        let reply = Arc::new(reply);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reply, gone) = (Arc::clone(&reply), gone.clone());
                thread::spawn(move || serve(stream, &*reply, &gone));
            }
        });
        Self { address, left }
    }

    /// The path of the next request whose client left before its end.
    ///
    /// # Panics
    ///
    /// When none does.
    #[must_use]
    pub fn left(&self) -> String {
        self.left.recv_timeout(PATIENCE).unwrap()
    }
}

fn serve(stream: TcpStream, reply: &impl Fn(&Received) -> Reply, gone: &Sender<String>) {
    let mut connection = BufReader::new(stream);
    let Some(received) = receive(&mut connection) else {
        return;
    };
    let reply = reply(&received);
    let mut stream = connection.into_inner();
    match reply {
        Reply::Whole(status, fields, body) => {
            let length = body.len();
            let mut head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\n");
            _ = write!(head, "content-length: {length}\r\n{fields}\r\n");
            _ = stream.write_all(head.as_bytes());
            if received.method != "HEAD" {
                _ = stream.write_all(&body);
            }
        }
        Reply::Endless => {
            _ = stream.write_all(b"HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n");
            while stream.write_all(b"5\r\ntick\n\r\n").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
            _ = gone.send(received.target);
        }
        Reply::Never => {
            _ = stream.read(&mut [0]);
            _ = gone.send(received.target);
        }
        Reply::Raw(bytes) => _ = stream.write_all(bytes.as_bytes()),
    }
}

fn receive(connection: &mut impl BufRead) -> Option<Received> {
    let mut line = || {
        let mut line = String::new();
        connection.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let start = line()?;
    let mut words = start.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut fields = Vec::new();
    let mut length = Some(0);
    loop {
        let field = line()?;
        if field.is_empty() {
            break;
        }
        match field.split_once(": ")? {
            ("host" | "cdn-loop", _) => continue,
            ("content-length", value) => length = value.parse().ok(),
            ("transfer-encoding", _) => length = None,
            _ => {}
        }
        fields.push(field);
    }
    fields.sort();
    let mut body = Vec::new();
    match length {
        Some(length) => {
            connection.take(length).read_to_end(&mut body).ok()?;
        }
        None => loop {
            let mut size = String::new();
            connection.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim_end(), 16).ok()?;
            connection.take(size + 2).read_to_end(&mut body).ok()?;
            body.truncate(body.len() - 2);
            if size == 0 {
                break;
            }
        },
    }
    Some(Received {
        method,
        target,
        fields: fields.join("\n"),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
