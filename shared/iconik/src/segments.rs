//! Time-based results as segments of an asset. Only our own segments are replaced, and the result is verified (section
//! 3.12).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::client::{Iconik, IconikError};
use crate::payload::parse_id;
use crate::rate_limit::sleep;

/// Segments of a request (section 3.12.1), and of the largest page of their list.
const MAX_BULK: usize = 500;
const PER_PAGE: usize = 150;
/// How often the list is read until it shows what was written. It lags by up to 90 s.
const MAX_READS: u32 = 12;
/// The external ids of our segments begin so.
const EXTERNAL_ID_PREFIX: &str = "napi:";

/// A time range of an asset in which something was detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub text: String,
    pub start_ms: u64,
    pub end_ms: u64,
}

impl Segment {
    /// The external id of a segment. It is derived from the content, so that writing a segment again finds it. SHA-256,
    /// cut to 40 digits: the length of the published form.
    fn name(&self, asset: Uuid, version: Uuid, track: &str) -> String {
        let all = format!("{asset}|{version}|{track}|{}|{}|{}", self.text, self.start_ms, self.end_ms);
        format!("{EXTERNAL_ID_PREFIX}{}", &domain::id::hex(&Sha256::digest(all))[..40])
    }
}

impl Iconik {
    /// Replaces our segments of a version's track by `wanted`. Segments that are right already stay, so that a repeat
    /// writes nothing. Segments of others are never changed.
    ///
    /// # Errors
    /// `Unreachable` if the list does not show them in the end: a bulk request can fail after it has written, and can
    /// succeed without having written.
    pub async fn replace_segments(
        &self,
        asset: Uuid,
        version: Uuid,
        track: &str,
        wanted: &[Segment],
    ) -> Result<(), IconikError> {
        let wanted: BTreeMap<String, &Segment> = wanted.iter().map(|it| (it.name(asset, version, track), it)).collect();
        for attempt in 0..MAX_READS {
            let existing = self.our_segments(asset, version, track).await?;
            let mut kept = std::collections::HashSet::new();
            let surplus: Vec<Uuid> = existing
                .iter()
                .filter(|(_, name)| !wanted.contains_key(name) || !kept.insert(name.clone()))
                .map(|(segment, _)| *segment)
                .collect();
            let missing: Vec<(&String, &&Segment)> = wanted.iter().filter(|it| !kept.contains(it.0)).collect();
            if surplus.is_empty() && missing.is_empty() {
                return Ok(());
            }
            self.delete_segments(asset, version, &surplus).await?;
            // the list lags behind: to write after each read would write twice
            if attempt % 3 == 0 {
                self.add_segments(asset, version, track, &missing).await?;
            }
            sleep(Duration::from_millis(250 << attempt.min(5))).await;
        }
        Err(IconikError::Unreachable("the segments that were written do not show".to_owned()))
    }

    /// Our segments of a track, with their external ids.
    pub async fn our_segments(
        &self,
        asset: Uuid,
        version: Uuid,
        track: &str,
    ) -> Result<Vec<(Uuid, String)>, IconikError> {
        let (mut all, mut seen) = (Vec::new(), std::collections::HashSet::new());
        for page in 1_u64..=200 {
            let path = format!(
                "/API/assets/v1/assets/{asset}/segments/?segment_type=GENERIC&version_id={version}&per_page={PER_PAGE}&page={page}"
            );
            let list = self.get(&path).await?;
            let objects = list["objects"].as_array().cloned().unwrap_or_default();
            for object in &objects {
                let same_track = object["segment_track"].as_str() == Some(track);
                let external_id = object["external_id"].as_str();
                let name = external_id.filter(|it| same_track && it.starts_with(EXTERNAL_ID_PREFIX));
                if let (Some(segment), Some(name)) = (parse_id(&object["id"]), name)
                    && seen.insert(segment)
                {
                    all.push((segment, name.to_owned()));
                }
            }
            let last = list["pages"].as_u64().is_some_and(|pages| page >= pages);
            if objects.is_empty() || last {
                break;
            }
        }
        Ok(all)
    }

    async fn delete_segments(&self, asset: Uuid, version: Uuid, surplus: &[Uuid]) -> Result<(), IconikError> {
        for some in surplus.chunks(MAX_BULK) {
            let path = format!("/API/assets/v1/assets/{asset}/segments/bulk/?immediately=true");
            match self.delete(&path, Some(&json!({ "segment_ids": some, "version_id": version }))).await {
                Ok(_) | Err(IconikError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn add_segments(
        &self,
        asset: Uuid,
        version: Uuid,
        track: &str,
        missing: &[(&String, &&Segment)],
    ) -> Result<(), IconikError> {
        for some in missing.chunks(MAX_BULK) {
            let objects: Vec<Value> = some.iter().map(|(name, it)| object(version, track, name, it)).collect();
            let path = format!("/API/assets/v1/assets/{asset}/segments/bulk/");
            match self.post(&path, &json!({ "objects": objects })).await {
                Ok(_) => {}
                // it may have written them: the next read shows
                Err(IconikError::Response { status, .. }) if status >= 500 => {}
                Err(IconikError::Unreachable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        if !missing.is_empty() {
            self.post(&format!("/API/assets/v1/assets/{asset}/segments/reindex/"), &json!({}))
                .await
                .map(drop)
                .or_else(|error| match error {
                    // without a reindex the list becomes current later
                    IconikError::Response { .. } | IconikError::NotFound => Ok(()),
                    error => Err(error),
                })?;
        }
        Ok(())
    }
}

fn object(version: Uuid, track: &str, name: &str, segment: &Segment) -> Value {
    json!({
        "segment_type": "GENERIC", "segment_text": segment.text, "segment_color": "red", "segment_track": track,
        "time_start_milliseconds": segment.start_ms, "time_end_milliseconds": segment.end_ms,
        "version_id": version, "external_id": name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_one_name() {
        let (asset, version) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let one = Segment { text: "Face 1 (0.97)".into(), start_ms: 12_000, end_ms: 15_400 };
        let name = one.name(asset, version, "FacialRecognition");
        assert_eq!((name.len(), &name[..5]), (45, "napi:"));
        assert_eq!(one.clone().name(asset, version, "FacialRecognition"), name);
        assert_ne!(one.name(asset, asset, "FacialRecognition"), name);
        assert_ne!(Segment { end_ms: 15_401, ..one }.name(asset, version, "FacialRecognition"), name);
    }
}
