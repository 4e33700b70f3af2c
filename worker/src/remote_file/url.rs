//! What is told of a URL.

use reqwest::Url;

/// A URL as everybody may read it: without user and password, and of its query only the names.
///
/// ```
/// use bisonflow::remote_file::shown;
/// assert_eq!(shown("https://me:secret@example.org/a.zip?key=1&b"), "https://example.org/a.zip?key=hidden&b");
/// assert_eq!(shown("https://example.org/a.zip"), "https://example.org/a.zip");
/// ```
pub fn shown(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return url.to_owned() };
    let mut url = without_user(&url);
    if let Some(query) = url.query() {
        let names = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{name}=hidden"),
            None => pair.to_owned(),
        });
        let names = names.collect::<Vec<_>>().join("&");
        url.set_query(Some(&names));
    }
    url.into()
}

/// The URL without user and password.
pub(super) fn without_user(url: &Url) -> Url {
    let mut url = url.clone();
    // Neither fails where there is a host, and without one there is neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}
