use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use bisonflow_contract::{ErrorName, StepError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use super::server::{Fault, FileServer};
use super::{Patience, ReadAhead, RemoteFile, Trouble};
use crate::stop::Stop;

const SHORT: Patience = Patience {
    silence: Duration::from_secs(2),
    first_answer: Duration::from_secs(1),
    pause: Duration::from_millis(2),
};

fn content(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..bytes).map(|_| random.u8(..)).collect()
}

fn open(server: &FileServer, runtime: &Runtime) -> Arc<RemoteFile> {
    Arc::new(runtime.block_on(RemoteFile::at_url(&server.url, SHORT)).unwrap())
}

#[test]
fn a_file_is_read_whole_whatever_goes_wrong_on_the_way() {
    let runtime = Runtime::new().unwrap();
    let content = content(20_000_000);
    // Every third answer is lost somewhere, others are busy or give another range.
    let server = FileServer::start("a.zip", content.clone(), |number| match number {
        0 => Some(Fault::Busy(Some(0))),
        number if number % 3 == 1 => Some(Fault::Lost(number * 40_000)),
        number if number % 7 == 0 => Some(Fault::Busy(None)),
        number if number % 11 == 0 => Some(Fault::WrongRange),
        _ => None,
    });
    let file = open(&server, &runtime);
    assert_eq!((file.bytes(), file.e_tag().as_deref()), (20_000_000, Some("v0")));
    let mut reader = ReadAhead::new(Arc::clone(&file), runtime.handle().clone(), Stop::default());
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert!(read == content);
    assert!(server.asked() > 10 && file.trouble().is_none());
    // Here and there, as who looks for a zip's directory.
    for (seek, at) in
        [(SeekFrom::End(-22), 19_999_978), (SeekFrom::Current(-2000), 19_997_988), (SeekFrom::Start(3), 3)]
    {
        assert_eq!(reader.seek(seek).unwrap(), at);
        let mut some = [0; 10];
        reader.read_exact(&mut some).unwrap();
        assert_eq!(some, content[at as usize..at as usize + 10]);
    }
    assert!(reader.seek(SeekFrom::Current(-100)).is_err());
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let runtime = Runtime::new().unwrap();
    let server = FileServer::start("a", content(100), |number| (number == 1).then_some(Fault::Busy(Some(1))));
    let file = open(&server, &runtime);
    let begun = std::time::Instant::now();
    runtime.block_on(file.range(0..100)).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_cannot_be_read_is_said_by_name() {
    let runtime = Runtime::new().unwrap();
    for (fault, name) in [
        (Fault::Gone, ErrorName::DownloadNotAvailable),
        (Fault::Circle, ErrorName::DownloadNotAvailable),
        (Fault::Nowhere, ErrorName::DownloadNotAvailable),
        (Fault::NoLength, ErrorName::UnsupportedFormat),
        // It gave a part at the beginning.
        (Fault::NoRanges, ErrorName::SourceUnavailable),
        (Fault::Busy(None), ErrorName::SourceUnavailable),
        (Fault::WrongRange, ErrorName::SourceUnavailable),
    ] {
        let patience = Patience { silence: Duration::from_millis(50), ..SHORT };
        let server = FileServer::start("a", content(100), move |number| (number > 0).then_some(fault));
        let file = runtime.block_on(RemoteFile::at_url(&server.url, patience)).unwrap();
        let Err(Trouble::Failed(error)) = runtime.block_on(file.range(50..100)) else { panic!("{fault:?}") };
        assert_eq!(error.name(), name, "{fault:?}: {error}");
        assert!(fault == Fault::NoLength || error.to_string().contains(&server.url), "{error}");
        assert_eq!(file.trouble(), Some(Trouble::Failed(error)));
    }
}

#[test]
fn a_server_without_ranges_is_told_at_the_beginning() {
    let runtime = Runtime::new().unwrap();
    for (fault, name) in [
        (Fault::NoRanges, ErrorName::UnsupportedFormat),
        (Fault::NoLength, ErrorName::UnsupportedFormat),
        (Fault::Nowhere, ErrorName::DownloadNotAvailable),
    ] {
        let server = FileServer::start("a", content(100), move |_| Some(fault));
        let error = runtime.block_on(RemoteFile::at_url(&server.url, SHORT)).unwrap_err();
        assert_eq!(error.name(), name, "{fault:?}: {error}");
    }
}

#[test]
fn what_a_url_may_hold_of_secrets_is_told_to_nobody() {
    let runtime = Runtime::new().unwrap();
    let server = FileServer::start("a", content(100), |number| (number == 1).then_some(Fault::Gone));
    let url = server.url.replace("http://", "http://me:word@") + "?Signature=secret";
    let file = runtime.block_on(RemoteFile::at_url(&url, SHORT)).unwrap();
    let error = StepError::from(runtime.block_on(file.range(0..1)).unwrap_err()).to_string();
    for told in [error.as_str(), file.uri()] {
        assert!(
            told.contains("?Signature=hidden") && !told.contains("secret") && !told.contains("word"),
            "{told}"
        );
    }
    assert_eq!(file.address(), url);
}

#[test]
fn who_never_answers_is_given_up_before_who_has_no_time() {
    let runtime = Runtime::new().unwrap();
    let patience = Patience { silence: Duration::from_secs(600), first_answer: Duration::ZERO, ..SHORT };
    let error = runtime.block_on(RemoteFile::at_url("http://127.0.0.1:1/a", patience)).unwrap_err();
    assert_eq!(error.name(), ErrorName::SourceUnavailable);
    let server = FileServer::start("a", content(100), |number| (number < 3).then_some(Fault::Busy(None)));
    assert_eq!(runtime.block_on(RemoteFile::at_url(&server.url, patience)).unwrap().bytes(), 100);
}

#[test]
fn a_file_that_has_changed_is_not_read_on() {
    let runtime = Runtime::new().unwrap();
    for other in [content(100), content(99)] {
        let server = FileServer::start("a", content(100), |_| None);
        let file = open(&server, &runtime);
        runtime.block_on(file.range(0..50)).unwrap();
        server.replace(other);
        assert!(matches!(runtime.block_on(file.range(50..100)), Err(Trouble::Changed(_))));
    }
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let path = Path::from("a");
    runtime.block_on(objects.put(&path, "one".into())).unwrap();
    let meta = runtime.block_on(objects.head(&path)).unwrap();
    let file = RemoteFile::object("s3://b/a".into(), Arc::clone(&objects), &meta);
    assert_eq!(runtime.block_on(file.range(1..3)).unwrap(), "ne");
    runtime.block_on(objects.put(&path, "two".into())).unwrap();
    assert!(matches!(runtime.block_on(file.range(1..3)), Err(Trouble::Changed(_))));
}

#[test]
fn an_empty_file_has_no_bytes() {
    let runtime = Runtime::new().unwrap();
    let file = open(&FileServer::start("a", Vec::new(), |_| None), &runtime);
    let mut read = Vec::new();
    assert_eq!(
        ReadAhead::new(file, runtime.handle().clone(), Stop::default()).read_to_end(&mut read).unwrap(),
        0
    );
}
