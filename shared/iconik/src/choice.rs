//! Which bytes of an asset are looked at (section 3.10.6).

use uuid::Uuid;

use crate::files::{File, Proxy};

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Proxy(Uuid, u64),
    File(Uuid, u64),
}

/// What an asset's files and proxies allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Fetch(Media),
    /// Nothing is closed yet: it may come.
    Wait,
}

/// How often an asset is looked at again before the original of a video is taken in place of a proxy: proxies come
/// minutes after their files.
pub const PATIENT: u32 = 4;

/// The smallest closed video proxy of the version; for a picture, the original; for a video whose proxy does not come,
/// the original as well, unless it lies on a storage that has no link.
pub fn choose(media_type: &str, version: Uuid, proxies: &[Proxy], files: &[File], attempt: u32) -> Choice {
    let of_version = |it: Option<Uuid>| it.is_none_or(|it| it == version);
    let proxy = proxies.iter().filter(|it| it.status == "CLOSED" && of_version(it.version_id) && it.size > 0);
    let proxy = proxy.filter(|it| !is_audio(it)).min_by_key(|it| it.size);
    let file = files.iter().filter(|it| it.status == "CLOSED" && of_version(it.version_id) && it.size > 0);
    let file = file.filter(|it| it.kind.as_deref().is_none_or(|it| it == "FILE"));
    let file = file.filter(|it| it.storage_method.as_deref() != Some("FILE")).max_by_key(|it| it.size);
    let still = media_type.starts_with("image/");
    match (proxy, file) {
        (Some(it), _) if !still => Choice::Fetch(Media::Proxy(it.id, it.size)),
        (_, Some(it)) if still || attempt >= PATIENT => Choice::Fetch(Media::File(it.id, it.size)),
        (Some(it), _) => Choice::Fetch(Media::Proxy(it.id, it.size)),
        (None, _) => Choice::Wait,
    }
}

/// The original's type by its name, which is all that Iconik's files tell; `None` if the name does not say.
pub fn media_type(version: Uuid, files: &[File]) -> Option<String> {
    let mut files: Vec<&File> = files.iter().filter(|it| it.version_id.is_none_or(|it| it == version)).collect();
    files.sort_by_key(|it| std::cmp::Reverse(it.size));
    let name = |it: &&File| it.original_name.clone().or_else(|| it.name.clone());
    files.iter().filter_map(name).find_map(|it| mime_guess::from_path(it).first_raw().map(str::to_owned))
}

fn is_audio(it: &Proxy) -> bool {
    let named = it.filename.as_ref().or(it.name.as_ref());
    named.is_some_and(|it| mime_guess::from_path(it).first_raw().is_some_and(|it| it.starts_with("audio/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: Uuid = Uuid::from_u128(9);

    fn proxy(id: u128, size: u64, status: &str, name: &str, version: u128) -> Proxy {
        let (version_id, filename) = (Some(Uuid::from_u128(version)), Some(name.to_owned()));
        Proxy { id: Uuid::from_u128(id), status: status.into(), size, filename, name: None, codec: None, version_id }
    }

    fn file(id: u128, status: &str, name: &str, method: &str) -> File {
        File {
            id: Uuid::from_u128(id),
            original_name: Some(name.into()),
            name: None,
            status: status.into(),
            kind: Some("FILE".into()),
            size: 70,
            version_id: Some(VERSION),
            format_id: None,
            storage_id: None,
            storage_method: Some(method.into()),
        }
    }

    #[test]
    fn the_smallest_closed_video_proxy_of_the_version_is_taken() {
        let proxies = [
            proxy(1, 50, "CLOSED", "big.mp4", 9),
            proxy(2, 20, "CLOSED", "small.mp4", 9),
            proxy(3, 10, "OPEN", "smaller.mp4", 9),
            proxy(4, 5, "CLOSED", "sound.mp3", 9),
            proxy(5, 5, "CLOSED", "old.mp4", 8),
        ];
        let got = choose("video/mp4", VERSION, &proxies, &[file(7, "CLOSED", "a.mov", "S3")], 0);
        assert_eq!(got, Choice::Fetch(Media::Proxy(Uuid::from_u128(2), 20)));
    }

    #[test]
    fn an_original_is_taken_for_pictures_and_when_no_proxy_comes() {
        let files = [file(7, "CLOSED", "a.mov", "S3")];
        assert_eq!(choose("video/quicktime", VERSION, &[], &files, 0), Choice::Wait);
        let original = Choice::Fetch(Media::File(Uuid::from_u128(7), 70));
        assert_eq!(choose("video/quicktime", VERSION, &[], &files, PATIENT), original);
        assert_eq!(choose("image/jpeg", VERSION, &[], &files, 0), original);
        for unfit in [file(7, "OPEN", "a.mov", "S3"), file(7, "CLOSED", "a.mov", "FILE")] {
            assert_eq!(choose("image/jpeg", VERSION, &[], &[unfit], 9), Choice::Wait);
        }
    }

    #[test]
    fn the_type_is_the_originals() {
        assert_eq!(media_type(VERSION, &[file(1, "OPEN", "0002EM.MXF", "S3")]).as_deref(), Some("application/mxf"));
        assert_eq!(media_type(VERSION, &[file(1, "OPEN", "a.MOV", "S3")]).as_deref(), Some("video/quicktime"));
        assert_eq!(media_type(VERSION, &[]), None);
    }
}
