//! Reference data of this machine brought into a bucket.

use std::io::Read;
use std::path::Path;

use bisonflow_contract::StepError;
use bisonflow_contract::document::Pin;
use bisonflow_contract::id::hex;
use bisonflow_contract::input::Options;
use bisonflow_contract::layout::{LAYERS_TOML, REFERENCE, REGIONS_INDEX, RIIS_CSV};
use bisonflow_region::Index;
use bisonflow_riis::Register;
use sha2::{Digest, Sha256};

use super::{DEFAULT, Files, build_index, index, pin_files, pinned_layers, read, summary_specs};
use crate::Store;

/// How much is read at once, bytes.
const PIECE_BYTES: usize = 8 << 20;

/// An object of `reference/` that is as it was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Where it lies.
    pub uri: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it was there already.
    pub was_there: bool,
}

/// What has to lie at a key.
struct Wanted<'a> {
    key: String,
    sha256: String,
    bytes: u64,
    content: Content<'a>,
}

enum Content<'a> {
    File(String),
    Index(&'a Index),
}

/// Checks layers.toml, the sources beside it and the register, builds the index, and brings all of it to `reference/`.
/// What is named is replaced, all else stays; what is there already, by its SHA-256, is not sent again.
///
/// The old index goes first and the new one comes last, so that a run that is planned meanwhile finds none rather than
/// a stale one. Runs that are planned already read the versions that they pinned.
///
/// # Errors
/// [`StepError::BadReferenceData`] naming file and field, before anything is sent; else as [`Store::put_pieces`].
pub async fn push(
    store: &Store,
    layers_toml: Option<&Path>,
    register: Option<&Path>,
) -> Result<Vec<Pushed>, StepError> {
    let options = Options::default();
    let pinned = pin_files(&Files { layers_toml, index: None, register }, &options)?;
    let riis = match &pinned.riis {
        Some(pin) => {
            Register::read(&pin.uri, &read(store, pin).await?)?;
            Some(Wanted::file(RIIS_CSV.to_owned(), pin))
        }
        None => None,
    };
    let built;
    let mut wanted = Vec::new();
    if layers_toml.is_some() {
        let config = pinned_layers(store, &pinned, &options).await?;
        for spec in summary_specs(&config) {
            spec.check()?;
        }
        built = build_index(store, &config, &pinned).await?;
        if riis.is_some() {
            index::check_register_region(&pinned.layers_toml.uri, &config, &built)?;
        }
        let sources = pinned.layer_sources.iter().filter(|(_, pin)| !pin.uri.starts_with(DEFAULT));
        wanted.extend(sources.map(|(name, pin)| Wanted::file(format!("{REFERENCE}{name}"), pin)));
        wanted.push(Wanted::file(LAYERS_TOML.to_owned(), &pinned.layers_toml));
        wanted.extend(riis);
        wanted.push(Wanted::index(&built));
    } else {
        wanted.extend(riis);
    }
    send(store, &wanted).await
}

async fn send(store: &Store, wanted: &[Wanted<'_>]) -> Result<Vec<Pushed>, StepError> {
    let mut pushed = Vec::new();
    for one in wanted {
        let stat = store.stat(&one.key).await?;
        let was_there = stat.is_some_and(|stat| {
            stat.meta.size == one.bytes && stat.sha256.as_deref() == Some(one.sha256.as_str())
        });
        pushed.push(Pushed { uri: store.uri_of(&one.key), bytes: one.bytes, was_there });
    }
    let is_of_layers = |one: &Wanted<'_>| one.key != RIIS_CSV;
    if wanted.iter().zip(&pushed).any(|(one, pushed)| is_of_layers(one) && !pushed.was_there) {
        store.delete([REGIONS_INDEX.to_owned()]).await?;
        for (_, pushed) in wanted.iter().zip(&mut pushed).filter(|(one, _)| one.key == REGIONS_INDEX) {
            pushed.was_there = false;
        }
    }
    for (one, _) in wanted.iter().zip(&pushed).filter(|(_, pushed)| !pushed.was_there) {
        one.send(store).await?;
    }
    Ok(pushed)
}

impl<'a> Wanted<'a> {
    fn file(key: String, pin: &Pin) -> Self {
        let content = Content::File(pin.uri.clone());
        Wanted { key, sha256: pin.sha256.clone(), bytes: pin.bytes, content }
    }

    fn index(index: &'a Index) -> Self {
        let bytes = index.as_bytes();
        Wanted {
            key: REGIONS_INDEX.to_owned(),
            sha256: hex(&Sha256::digest(bytes)),
            bytes: bytes.len() as u64,
            content: Content::Index(index),
        }
    }

    async fn send(&self, store: &Store) -> Result<(), StepError> {
        match &self.content {
            Content::Index(index) => {
                let pieces =
                    index.as_bytes().chunks(PIECE_BYTES).map(|piece| Ok::<_, StepError>(piece.to_vec()));
                store.put_pieces_with_sha256(&self.key, &self.sha256, pieces).await
            }
            Content::File(path) => {
                let failed = |error: std::io::Error| {
                    StepError::BadReferenceData(format!("{path}: cannot be read: {error}"))
                };
                let mut file = std::fs::File::open(path).map_err(failed)?;
                let pieces = std::iter::from_fn(|| {
                    let mut piece = Vec::new();
                    match file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece) {
                        Ok(0) => None,
                        Ok(_) => Some(Ok(piece)),
                        Err(error) => Some(Err(failed(error))),
                    }
                });
                store.put_pieces_with_sha256(&self.key, &self.sha256, pieces).await
            }
        }
    }
}
