//! Several threads that parse a text: one cuts it, others parse, the batches come in the order of the text.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::blocks::Block;
use super::rows::{Parsed, Parser, Plan};
use super::text::{Batches, Failure};

/// The blocks of one batch, and who waits for it.
type Job = (Vec<Block>, SyncSender<Parsed>);
/// The batches in order, each still being parsed, perhaps.
type Promise = Result<Receiver<Parsed>, Failure>;

/// The threads, and what they have ready. They end by themselves once nobody waits for a batch.
pub(super) struct Pool<R> {
    promises: Receiver<Promise>,
    cutter: JoinHandle<R>,
    parsers: Vec<JoinHandle<()>>,
}

impl<R: Read + Send + 'static> Pool<R> {
    /// Starts `threads` that parse and one that reads and cuts. At most `threads` batches wait to be taken,
    /// so memory is bounded.
    pub(super) fn start(batches: Batches<R>, plan: &Arc<Plan>, threads: usize, keep_text: bool) -> Pool<R> {
        let (promise, promises) = sync_channel(threads);
        let (give, jobs) = sync_channel(threads);
        let cutter = std::thread::spawn(move || cut(batches, &promise, &give));
        let jobs = Arc::new(Mutex::new(jobs));
        let parser = |_| {
            let (jobs, mut parser) = (Arc::clone(&jobs), Parser::new(Arc::clone(plan)));
            std::thread::spawn(move || parse(&jobs, &mut parser, keep_text))
        };
        Pool { promises, cutter, parsers: (0..threads).map(parser).collect() }
    }

    /// What became of the next batch's rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Parsed>, Failure> {
        let Ok(promise) = self.promises.recv() else { return Ok(None) };
        let parsed = promise?.recv();
        if parsed.is_err() {
            // Its thread is gone, which only a panic can be the cause of: it goes on here.
            for parser in self.parsers.drain(..).filter(JoinHandle::is_finished) {
                resume(parser);
            }
        }
        Ok(Some(parsed.expect("a thread ends by panic, or when there is no job left")))
    }

    /// What was read from, once the end is reached.
    pub(super) fn finish(self) -> Option<R> {
        self.parsers.into_iter().for_each(resume);
        Some(resume(self.cutter))
    }
}

/// Waits for a thread; its panic goes on in this one.
fn resume<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn cut<R: Read>(mut batches: Batches<R>, promise: &SyncSender<Promise>, give: &SyncSender<Job>) -> R {
    loop {
        let mut blocks = Vec::new();
        let more = batches.next(|block| blocks.push(block));
        let next = match more {
            Ok(false) => break,
            Err(failure) => Err(failure),
            Ok(true) => {
                let (done, parsed) = sync_channel(1);
                // It fails when nobody waits any more.
                if give.send((blocks, done)).is_err() {
                    break;
                }
                Ok(parsed)
            }
        };
        let failed = next.is_err();
        if promise.send(next).is_err() || failed {
            break;
        }
    }
    batches.into_reader()
}

fn parse(jobs: &Mutex<Receiver<Job>>, parser: &mut Parser, keep_text: bool) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((blocks, done)) = job else { return };
        parser.begin(keep_text);
        for block in blocks {
            parser.block(&block);
        }
        // Nobody may wait for it any more.
        let _ = done.send(parser.finish());
    }
}
