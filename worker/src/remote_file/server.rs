//! An HTTP server for tests: one file, given in ranges, with the faults that servers and networks have.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What goes wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The connection is lost after so many bytes of the body.
    Lost(usize),
    /// 503, with `Retry-After` in seconds.
    Busy(Option<u64>),
    /// Other bytes than were asked for.
    WrongRange,
    /// The whole file, as if no range had been asked for.
    NoRanges,
    /// 410.
    Gone,
    /// A redirect to where it came from.
    Circle,
    /// A redirect without a target.
    Nowhere,
    /// A part of a file of unknown length.
    NoLength,
}

type Faults = dyn Fn(usize) -> Option<Fault> + Send + Sync;

struct State {
    /// The file, and how often it was changed.
    file: Mutex<(Arc<Vec<u8>>, usize)>,
    faults: Box<Faults>,
    asked: AtomicUsize,
}

/// The server; it lives as long as the process.
pub(crate) struct FileServer {
    pub(crate) url: String,
    state: Arc<State>,
}

impl FileServer {
    /// Serves `content` as `name`; `faults` says what goes wrong with the answer of this number, from 0.
    pub(crate) fn start(
        name: &str,
        content: Vec<u8>,
        faults: impl Fn(usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> FileServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/{name}", listener.local_addr().unwrap());
        let file = Mutex::new((Arc::new(content), 0));
        let state = Arc::new(State { file, faults: Box::new(faults), asked: AtomicUsize::new(0) });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                // Who asked may be gone before the answer is.
                std::thread::spawn(move || _ = answer(stream, &state));
            }
        });
        FileServer { url, state }
    }

    /// Puts another file in its place, with another ETag.
    pub(crate) fn replace(&self, content: Vec<u8>) {
        let mut file = self.state.file.lock().unwrap();
        *file = (Arc::new(content), file.1 + 1);
    }

    /// How many requests there were.
    pub(crate) fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

fn answer(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut range = None;
    for line in BufReader::new(&stream).lines() {
        let line = line?.to_ascii_lowercase();
        if let Some(asked) = line.strip_prefix("range: bytes=") {
            let (start, end) = asked.split_once('-').unwrap();
            range = Some((start.parse::<usize>().unwrap(), end.parse::<usize>().unwrap()));
        }
        if line.is_empty() {
            break;
        }
    }
    let number = state.asked.fetch_add(1, Ordering::SeqCst);
    let (content, version) = state.file.lock().unwrap().clone();
    let fault = (state.faults)(number);
    let mut out = &stream;
    let end = "Connection: close\r\n\r\n";
    match (fault, range) {
        (Some(Fault::Busy(wait)), _) => {
            let wait = wait.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
            return write!(out, "HTTP/1.1 503 Service Unavailable\r\n{wait}Content-Length: 0\r\n{end}");
        }
        (Some(Fault::Gone), _) => return write!(out, "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n{end}"),
        (Some(Fault::Circle), _) => {
            return write!(out, "HTTP/1.1 302 Found\r\nLocation: ?\r\nContent-Length: 0\r\n{end}");
        }
        (Some(Fault::Nowhere), _) => {
            return write!(out, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n{end}");
        }
        (Some(Fault::NoLength), _) => {
            let part = "Content-Range: bytes 0-0/*\r\nContent-Length: 1";
            return write!(out, "HTTP/1.1 206 Partial Content\r\n{part}\r\n{end}1");
        }
        (Some(Fault::NoRanges), _) | (_, None) => {
            write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{end}", content.len())?;
            return out.write_all(&content);
        }
        _ => {}
    }
    let (start, last) = range.unwrap();
    let start = if fault == Some(Fault::WrongRange) { start / 2 } else { start };
    let last = last.min(content.len().saturating_sub(1));
    if start >= content.len() {
        let total = content.len();
        return write!(out, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\n{end}");
    }
    let body = &content[start..=last];
    write!(
        out,
        "HTTP/1.1 206 Partial Content\r\nETag: \"v{version}\"\r\nContent-Range: bytes {start}-{last}/{}\r\n\
         Content-Length: {}\r\n{end}",
        content.len(),
        body.len()
    )?;
    match fault {
        Some(Fault::Lost(after)) => out.write_all(&body[..after.min(body.len())]),
        _ => out.write_all(body),
    }
}
