//! A stand-in for the service on this machine: HTTP as it is, answers and faults as a test says.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reqwest::Url;

/// What the stand-in does with a request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// 200 with this body.
    Answer(String),
    /// This status, with these headers (each a whole line), and a page of HTML.
    Status(u16, Vec<String>),
    /// 200 with the first half of this body, and the connection ends.
    CutOff(String),
    /// The connection ends.
    Drop,
}

/// A request, as the stand-in has it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The URL.
    pub url: Url,
    /// The client's name.
    pub user_agent: String,
    /// When.
    pub at: Instant,
}

impl Seen {
    /// A parameter of the query; empty if it is not there.
    pub fn parameter(&self, name: &str) -> String {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into()).unwrap_or_default()
    }
}

/// A running stand-in. It ends with the process.
pub struct StandIn {
    url: String,
    shared: Arc<Shared>,
}

/// What to do with a request whose URL was seen so often before.
type Behave = dyn Fn(&Seen, usize) -> Behaviour + Send + Sync;

struct Shared {
    latency: Duration,
    behave: Box<Behave>,
    seen: Mutex<Vec<Seen>>,
    counts: Mutex<HashMap<Url, usize>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl StandIn {
    /// Starts one that takes `latency` for every request and does what `behave` says; it is told how often the
    /// same URL was seen before.
    ///
    /// # Errors
    /// Those of the network.
    pub fn start(
        latency: Duration,
        behave: impl Fn(&Seen, usize) -> Behaviour + Send + Sync + 'static,
    ) -> io::Result<StandIn> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            latency,
            behave: Box::new(behave),
            seen: Mutex::default(),
            counts: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let served = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = served.clone();
                // Who hangs up in mid-request is of no interest.
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Ok(StandIn { url, shared })
    }

    /// The server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far.
    pub fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.shared.seen()
    }

    /// The most requests that were on their way at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_at_once.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().expect("nothing panics while it holds the requests")
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut out = stream.try_clone()?;
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next() {
            let target = line?.split(' ').nth(1).map(str::to_owned).ok_or(io::ErrorKind::InvalidData)?;
            let mut user_agent = String::new();
            for header in lines.by_ref() {
                let header = header?;
                if header.is_empty() {
                    break;
                }
                if let Some((name, value)) = header.split_once(": ")
                    && name.eq_ignore_ascii_case("user-agent")
                {
                    user_agent = value.to_owned();
                }
            }
            let url = Url::parse(&format!("http://localhost{target}"))
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let seen = Seen { url, user_agent, at: Instant::now() };
            self.seen().push(seen.clone());
            let before = {
                let mut counts = self.counts.lock().expect("nothing panics while it holds the counts");
                let count = counts.entry(seen.url.clone()).or_default();
                *count += 1;
                *count - 1
            };
            self.most_at_once.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(self.latency);
            let behaviour = (self.behave)(&seen, before);
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            match behaviour {
                Behaviour::Answer(body) => respond(&mut out, 200, &[], &body, body.len())?,
                Behaviour::Status(status, headers) => {
                    let page = format!("<html><body>{status}</body></html>");
                    respond(&mut out, status, &headers, &page, page.len())?;
                }
                Behaviour::CutOff(body) => {
                    return respond(&mut out, 200, &[], &body[..body.len() / 2], body.len());
                }
                Behaviour::Drop => return Ok(()),
            }
        }
        Ok(())
    }
}

fn respond(
    out: &mut TcpStream,
    status: u16,
    headers: &[String],
    body: &str,
    length: usize,
) -> io::Result<()> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    out.write_all((head + body).as_bytes())
}
