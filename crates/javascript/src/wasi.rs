//! The part of WASI preview 1 that esbuild uses. Files are read from a virtual file system and
//! written to memory. Nothing of the host can be reached.

use crate::clock;
use crate::files::{Files, Kind, Refusal};
use crate::input;
use crate::memory::{Errno, Memory};
use crate::run::{Command, Limit};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use wasmtime::{Caller, Engine, Extern, Linker, ResourceLimiter, Result};

type Answer = std::result::Result<(), Errno>;

/// The only directory that is open from the start.
const ROOT: u32 = 3;

/// The most bytes of output that are kept. They are only needed for errors.
const SAID: usize = 64 << 10;

/// How long a wait for events sleeps before it checks the clock again.
const NAP: Duration = Duration::from_millis(1);

/// The fraction of its memory limit above which esbuild collects garbage. Below that, it does
/// not.
const COLLECT_ABOVE: (usize, usize) = (3, 4);

/// The state and the output of a run.
pub(crate) struct Host {
    files: Arc<dyn Files>,
    arguments: Vec<String>,
    environment: Vec<String>,
    open: BTreeMap<u32, Open>,
    input: usize,
    output: usize,
    pub(crate) memory: MemoryLimit,
    pub(crate) written: BTreeMap<String, Vec<u8>>,
    pub(crate) said: Vec<u8>,
    pub(crate) passed: Option<Limit>,
}

enum Open {
    Directory {
        path: String,
        /// The entries, once they have been read.
        entries: Option<Arc<[(String, Kind)]>>,
    },
    Read {
        contents: Arc<[u8]>,
        at: u64,
    },
    Write {
        path: String,
    },
    Said,
    Empty,
}

/// Limits the memory, and remembers a refusal.
pub(crate) struct MemoryLimit {
    limit: usize,
    pub(crate) refused: bool,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.refused |= desired > self.limit;
        Ok(desired <= self.limit)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= self.limit)
    }
}

/// The program exited.
#[derive(Debug)]
pub(crate) struct Exited(pub(crate) i32);

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the program ended with {}", self.0)
    }
}

impl std::error::Error for Exited {}

impl Host {
    pub(crate) fn new(command: Command) -> Self {
        let root = Open::Directory {
            path: "/".to_owned(),
            entries: None,
        };
        let mut arguments = command.arguments;
        arguments.insert(0, "esbuild".to_owned());
        let limits = command.limits;
        let (part, whole) = COLLECT_ABOVE;
        let environment = vec![
            format!("PWD={}", command.directory),
            format!("GOMEMLIMIT={}", limits.memory / whole * part),
        ];
        Self {
            files: command.files,
            arguments,
            environment,
            open: BTreeMap::from([
                (0, Open::Empty),
                (1, Open::Said),
                (2, Open::Said),
                (ROOT, root),
            ]),
            input: limits.input,
            output: limits.output,
            memory: MemoryLimit {
                limit: limits.memory,
                refused: false,
            },
            written: BTreeMap::new(),
            said: Vec::new(),
            passed: None,
        }
    }

    /// Returns the path of a name in a directory.
    fn path(&self, directory: u32, name: &str) -> std::result::Result<String, Errno> {
        let Some(Open::Directory { path, .. }) = self.open.get(&directory) else {
            return Err(Errno::BADF);
        };
        let mut parts = Vec::new();
        for part in path.split('/').chain(name.split('/')) {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        Ok(format!("/{}", parts.join("/")))
    }

    fn path_open(
        &mut self,
        directory: u32,
        name: &str,
        flags: u32,
    ) -> std::result::Result<u32, Errno> {
        const CREATE: u32 = 1;
        const DIRECTORY: u32 = 2;
        let path = self.path(directory, name)?;
        let open = if flags & CREATE != 0 {
            self.written.insert(path.clone(), Vec::new());
            Open::Write { path }
        } else {
            match self.files.kind(&path, true).ok_or(Errno::NOENT)? {
                Kind::Directory => Open::Directory {
                    path,
                    entries: None,
                },
                Kind::File { .. } | Kind::Link if flags & DIRECTORY != 0 => {
                    return Err(Errno::NOTDIR);
                }
                Kind::File { .. } | Kind::Link => Open::Read {
                    contents: self.read(&path)?,
                    at: 0,
                },
            }
        };
        let mut free = ROOT + 1..;
        let file = free.find(|file| !self.open.contains_key(file));
        let file = file.ok_or(Errno::BADF)?;
        self.open.insert(file, open);
        Ok(file)
    }

    fn read(&mut self, path: &str) -> std::result::Result<Arc<[u8]>, Errno> {
        match self.files.read(path, self.input) {
            Ok(contents) => {
                self.input -= contents.len();
                Ok(input::without_source_map(path, contents))
            }
            Err(Refusal::NotFound) => Err(Errno::NOENT),
            Err(Refusal::TooLarge) => {
                self.passed = Some(Limit::Input);
                Err(Errno::FBIG)
            }
        }
    }

    fn fd_read(
        &mut self,
        memory: &mut Memory<'_>,
        file: u32,
        pieces: (u32, u32),
        from: Option<u64>,
    ) -> std::result::Result<u32, Errno> {
        let (contents, at) = match self.open.get_mut(&file).ok_or(Errno::BADF)? {
            Open::Read { contents, at } => (contents, at),
            Open::Empty => return Ok(0),
            Open::Directory { .. } => return Err(Errno::ISDIR),
            Open::Write { .. } | Open::Said => return Err(Errno::BADF),
        };
        let start = usize::try_from(from.unwrap_or(*at)).map_err(|_| Errno::INVAL)?;
        let mut rest = contents.get(start..).unwrap_or_default();
        let mut total = 0;
        for (address, length) in memory.pieces(pieces.0, pieces.1)? {
            let (now, later) = rest.split_at(rest.len().min(length as usize));
            memory.write(address, now)?;
            total += now.len();
            rest = later;
        }
        if from.is_none() {
            *at += total as u64;
        }
        u32::try_from(total).map_err(|_| Errno::INVAL)
    }

    fn fd_write(
        &mut self,
        memory: &mut Memory<'_>,
        file: u32,
        pieces: (u32, u32),
    ) -> std::result::Result<u32, Errno> {
        let mut total: u32 = 0;
        for (address, length) in memory.pieces(pieces.0, pieces.1)? {
            let bytes = memory.bytes(address, length)?;
            match self.open.get(&file) {
                Some(Open::Said) => {
                    let room = SAID.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Some(Open::Write { path }) => {
                    let Some(room) = self.output.checked_sub(bytes.len()) else {
                        self.passed = Some(Limit::Output);
                        return Err(Errno::FBIG);
                    };
                    self.output = room;
                    let written = self.written.entry(path.clone()).or_default();
                    written.extend_from_slice(bytes);
                }
                Some(Open::Directory { .. } | Open::Read { .. } | Open::Empty) | None => {
                    return Err(Errno::BADF);
                }
            }
            total = total.checked_add(length).ok_or(Errno::INVAL)?;
        }
        Ok(total)
    }

    fn fd_seek(&mut self, file: u32, offset: i64, whence: u32) -> std::result::Result<u64, Errno> {
        let Some(Open::Read { contents, at }) = self.open.get_mut(&file) else {
            return Err(Errno::BADF);
        };
        let base = match whence {
            0 => 0,
            1 => *at,
            2 => contents.len() as u64,
            3.. => return Err(Errno::INVAL),
        };
        *at = base.checked_add_signed(offset).ok_or(Errno::INVAL)?;
        Ok(*at)
    }

    /// Writes entries of a directory, beginning with number `cookie`, as many as fit into `room`
    /// bytes. The last one may be truncated.
    fn fd_readdir(
        &mut self,
        file: u32,
        cookie: u64,
        room: usize,
    ) -> std::result::Result<Vec<u8>, Errno> {
        let Some(Open::Directory { path, entries }) = self.open.get_mut(&file) else {
            return Err(Errno::NOTDIR);
        };
        if entries.is_none() {
            *entries = Some(self.files.list(path).ok_or(Errno::NOENT)?.into());
        }
        let mut bytes = Vec::new();
        let entries = (1_u64..).zip(entries.iter().flat_map(|entries| entries.iter()));
        for (next, (name, kind)) in entries.skip_while(|(next, _)| *next <= cookie) {
            if bytes.len() >= room {
                break;
            }
            let length = u32::try_from(name.len()).map_err(|_| Errno::INVAL)?;
            bytes.extend_from_slice(&next.to_le_bytes());
            bytes.extend_from_slice(&1_u64.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&u32::from(file_type(*kind)).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.truncate(room);
        Ok(bytes)
    }

    fn kind_of(&self, file: u32) -> std::result::Result<Kind, Errno> {
        Ok(match self.open.get(&file).ok_or(Errno::BADF)? {
            Open::Directory { .. } => Kind::Directory,
            Open::Read { contents, .. } => Kind::File {
                size: contents.len() as u64,
            },
            Open::Write { .. } | Open::Said | Open::Empty => Kind::File { size: 0 },
        })
    }
}

fn file_type(kind: Kind) -> u8 {
    match kind {
        Kind::Directory => 3,
        Kind::File { .. } => 4,
        Kind::Link => 7,
    }
}

fn stat(kind: Kind) -> [u8; 64] {
    let mut stat = [0; 64];
    stat[16] = file_type(kind);
    if let Kind::File { size } = kind {
        stat[32..40].copy_from_slice(&size.to_le_bytes());
    }
    stat
}

/// Returns the status of a file: its type, no flags and all rights.
fn status(kind: Kind) -> [u8; 24] {
    let mut status = [0xff; 24];
    status[..8].fill(0);
    status[0] = file_type(kind);
    status
}

fn sizes(memory: &mut Memory<'_>, texts: &[String], count: u32, size: u32) -> Answer {
    let bytes: usize = texts.iter().map(|text| text.len() + 1).sum();
    memory.put_u32(count, texts.len() as u32)?;
    memory.put_u32(size, bytes as u32)
}

fn texts(memory: &mut Memory<'_>, texts: &[String], mut table: u32, mut at: u32) -> Answer {
    for text in texts {
        memory.put_u32(table, at)?;
        memory.write(at, text.as_bytes())?;
        memory.write(at + text.len() as u32, &[0])?;
        at += text.len() as u32 + 1;
        table += 4;
    }
    Ok(())
}

/// Sleeps briefly, and reports all events as ready.
fn poll(memory: &mut Memory<'_>, subscriptions: u32, events: u32, count: u32) -> Answer {
    for index in 0..count {
        let subscription = memory.bytes(subscriptions + index * 48, 48)?;
        let mut event = [0; 32];
        event[..8].copy_from_slice(&subscription[..8]);
        event[10] = subscription[8];
        memory.write(events + index * 32, &event)?;
    }
    thread::sleep(NAP);
    Ok(())
}

type Of<'a> = Caller<'a, Host>;

/// Calls `act` with the memory of the caller, and returns the error number.
fn with(mut caller: Of<'_>, act: impl FnOnce(&mut Host, &mut Memory<'_>) -> Answer) -> u32 {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return u32::from(Errno::FAULT.0);
    };
    let (bytes, host) = memory.data_and_store_mut(&mut caller);
    match act(host, &mut Memory(bytes)) {
        Ok(()) => 0,
        Err(Errno(number)) => u32::from(number),
    }
}

const WASI: &str = "wasi_snapshot_preview1";

/// Returns a linker with the imports of the program.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    add_process(&mut linker)?;
    add_open_files(&mut linker)?;
    add_paths(&mut linker)?;
    Ok(linker)
}

fn add_process(linker: &mut Linker<Host>) -> Result<()> {
    linker
        .func_wrap(WASI, "sched_yield", || 0_u32)?
        .func_wrap(WASI, "proc_exit", |code: i32| -> Result<()> {
            Err(wasmtime::Error::new(Exited(code)))
        })?
        .func_wrap(
            WASI,
            "args_sizes_get",
            |of: Of<'_>, count: u32, size: u32| {
                with(of, |host, memory| {
                    sizes(memory, &host.arguments, count, size)
                })
            },
        )?
        .func_wrap(WASI, "args_get", |of: Of<'_>, table: u32, at: u32| {
            with(of, |host, memory| texts(memory, &host.arguments, table, at))
        })?
        .func_wrap(
            WASI,
            "environ_sizes_get",
            |of: Of<'_>, count: u32, size: u32| {
                with(of, |host, memory| {
                    sizes(memory, &host.environment, count, size)
                })
            },
        )?
        .func_wrap(WASI, "environ_get", |of: Of<'_>, table: u32, at: u32| {
            with(of, |host, memory| {
                texts(memory, &host.environment, table, at)
            })
        })?
        .func_wrap(
            WASI,
            "clock_time_get",
            |of: Of<'_>, _: u32, _: u64, at: u32| {
                let now = u64::try_from(clock::monotonic().as_nanos()).unwrap_or(u64::MAX);
                with(of, |_, memory| memory.put_u64(at, now))
            },
        )?
        // Constant, so that bundles are reproducible.
        .func_wrap(WASI, "random_get", |of: Of<'_>, at: u32, length: u32| {
            with(of, |_, memory| {
                memory.bytes(at, length).map(|bytes| bytes.fill(1))
            })
        })?
        .func_wrap(
            WASI,
            "poll_oneoff",
            |of: Of<'_>, subscriptions: u32, events: u32, count: u32, ready: u32| {
                with(of, |_, memory| {
                    poll(memory, subscriptions, events, count)?;
                    memory.put_u32(ready, count)
                })
            },
        )?
        .func_wrap(WASI, "sock_accept", |_: u32, _: u32, _: u32| {
            u32::from(Errno::NOTSUP.0)
        })?
        .func_wrap(WASI, "sock_shutdown", |_: u32, _: u32| {
            u32::from(Errno::NOTSUP.0)
        })?;
    Ok(())
}

fn add_open_files(linker: &mut Linker<Host>) -> Result<()> {
    linker
        .func_wrap(WASI, "fd_close", |of: Of<'_>, file: u32| {
            with(of, |host, _| {
                host.open.remove(&file).map(|_| ()).ok_or(Errno::BADF)
            })
        })?
        .func_wrap(
            WASI,
            "fd_read",
            |of: Of<'_>, file: u32, at: u32, count: u32, read: u32| {
                with(of, |host, memory| {
                    let bytes = host.fd_read(memory, file, (at, count), None)?;
                    memory.put_u32(read, bytes)
                })
            },
        )?
        .func_wrap(
            WASI,
            "fd_pread",
            |of: Of<'_>, file: u32, at: u32, count: u32, from: u64, read: u32| {
                with(of, |host, memory| {
                    let bytes = host.fd_read(memory, file, (at, count), Some(from))?;
                    memory.put_u32(read, bytes)
                })
            },
        )?
        .func_wrap(
            WASI,
            "fd_write",
            |of: Of<'_>, file: u32, at: u32, count: u32, written: u32| {
                with(of, |host, memory| {
                    let bytes = host.fd_write(memory, file, (at, count))?;
                    memory.put_u32(written, bytes)
                })
            },
        )?
        .func_wrap(
            WASI,
            "fd_seek",
            |of: Of<'_>, file: u32, offset: i64, whence: u32, at: u32| {
                with(of, |host, memory| {
                    let position = host.fd_seek(file, offset, whence)?;
                    memory.put_u64(at, position)
                })
            },
        )?
        .func_wrap(
            WASI,
            "fd_readdir",
            |of: Of<'_>, file: u32, at: u32, room: u32, cookie: u64, used: u32| {
                with(of, |host, memory| {
                    let bytes = host.fd_readdir(file, cookie, room as usize)?;
                    memory.write(at, &bytes)?;
                    memory.put_u32(used, bytes.len() as u32)
                })
            },
        )?
        .func_wrap(WASI, "fd_filestat_get", |of: Of<'_>, file: u32, at: u32| {
            with(of, |host, memory| {
                memory.write(at, &stat(host.kind_of(file)?))
            })
        })?
        .func_wrap(WASI, "fd_fdstat_get", |of: Of<'_>, file: u32, at: u32| {
            with(of, |host, memory| {
                memory.write(at, &status(host.kind_of(file)?))
            })
        })?
        .func_wrap(WASI, "fd_fdstat_set_flags", |_: u32, _: u32| 0_u32)?
        .func_wrap(WASI, "fd_prestat_get", |of: Of<'_>, file: u32, at: u32| {
            with(of, |_, memory| match file {
                // The name of the directory has one byte.
                ROOT => memory.put_u64(at, 1 << 32),
                _ => Err(Errno::BADF),
            })
        })?
        .func_wrap(
            WASI,
            "fd_prestat_dir_name",
            |of: Of<'_>, _: u32, at: u32, _: u32| with(of, |_, memory| memory.write(at, b"/")),
        )?;
    Ok(())
}

fn add_paths(linker: &mut Linker<Host>) -> Result<()> {
    linker
        .func_wrap(
            WASI,
            "path_open",
            |of: Of<'_>,
             directory: u32,
             _: u32,
             name: u32,
             length: u32,
             flags: u32,
             _: u64,
             _: u64,
             _: u32,
             at: u32| {
                with(of, |host, memory| {
                    let name = memory.text(name, length)?;
                    let file = host.path_open(directory, &name, flags)?;
                    memory.put_u32(at, file)
                })
            },
        )?
        .func_wrap(
            WASI,
            "path_filestat_get",
            |of: Of<'_>, directory: u32, follow: u32, name: u32, length: u32, at: u32| {
                with(of, |host, memory| {
                    let path = host.path(directory, &memory.text(name, length)?)?;
                    let kind = host.files.kind(&path, follow & 1 != 0);
                    memory.write(at, &stat(kind.ok_or(Errno::NOENT)?))
                })
            },
        )?
        .func_wrap(
            WASI,
            "path_readlink",
            |of: Of<'_>, directory: u32, name: u32, length: u32, at: u32, room: u32, used: u32| {
                with(of, |host, memory| {
                    let path = host.path(directory, &memory.text(name, length)?)?;
                    let to = host.files.link(&path).ok_or(Errno::INVAL)?;
                    let bytes = &to.as_bytes()[..to.len().min(room as usize)];
                    memory.write(at, bytes)?;
                    memory.put_u32(used, bytes.len() as u32)
                })
            },
        )?
        // Files are written to memory, where a directory is only part of a name.
        .func_wrap(WASI, "path_create_directory", |_: u32, _: u32, _: u32| {
            0_u32
        })?
        .func_wrap(WASI, "path_remove_directory", |_: u32, _: u32, _: u32| {
            u32::from(Errno::NOTSUP.0)
        })?
        .func_wrap(WASI, "path_unlink_file", |_: u32, _: u32, _: u32| {
            u32::from(Errno::NOTSUP.0)
        })?;
    Ok(())
}
