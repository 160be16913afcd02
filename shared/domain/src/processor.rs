//! Processors, where they run, and their settings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A processor. The names are the product's own (`"processor": "FacialRecognition"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProcessorKind {
    FacialRecognition,
    ObjectDetection,
    AutoTranslation,
}

impl ProcessorKind {
    /// All processors.
    pub const ALL: [Self; 3] = [Self::FacialRecognition, Self::ObjectDetection, Self::AutoTranslation];

    /// The name in settings, results and notifications.
    pub fn name(self) -> &'static str {
        match self {
            Self::FacialRecognition => "FacialRecognition",
            Self::ObjectDetection => "ObjectDetection",
            Self::AutoTranslation => "AutoTranslation",
        }
    }

    /// The name in result documents and in requests to external processors (processors, section 1.3).
    pub fn kind(self) -> &'static str {
        match self {
            Self::FacialRecognition => "facial_recognition",
            Self::ObjectDetection => "object_detection",
            Self::AutoTranslation => "auto_translation",
        }
    }

    /// Where it runs if nothing is chosen.
    pub fn default_backend(self) -> Backend {
        match self {
            Self::FacialRecognition => Backend::Embedded,
            Self::ObjectDetection | Self::AutoTranslation => Backend::External,
        }
    }

    /// The backends that it has.
    pub fn backends(self) -> &'static [Backend] {
        match self {
            Self::FacialRecognition => &[Backend::Embedded, Backend::External],
            Self::ObjectDetection | Self::AutoTranslation => &[Backend::External],
        }
    }
}

impl FromStr for ProcessorKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// Where a processor runs (processors, P-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In our own function.
    Embedded,
    /// Rekognition, Transcribe and Translate.
    Aws,
    /// A customer's endpoint (processors, section 5).
    External,
}

impl Backend {
    /// All backends.
    pub const ALL: [Self; 3] = [Self::Embedded, Self::Aws, Self::External];

    /// The name in settings and result documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Aws => "aws",
            Self::External => "external",
        }
    }
}

impl FromStr for Backend {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(())
    }
}

/// The processors of an item, without repetition, at least one. In JSON, a name or a list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Processors(Vec<ProcessorKind>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(ProcessorKind),
    Many(Vec<ProcessorKind>),
}

impl Processors {
    /// A list; repetitions are dropped. `None` if it is empty.
    pub fn new(kinds: &[ProcessorKind]) -> Option<Self> {
        let mut list = Vec::new();
        for kind in kinds {
            if !list.contains(kind) {
                list.push(*kind);
            }
        }
        (!list.is_empty()).then_some(Self(list))
    }

    /// The first of the list.
    pub fn first(&self) -> ProcessorKind {
        self.0.first().copied().unwrap_or(ProcessorKind::FacialRecognition)
    }

    pub fn iter(&self) -> impl Iterator<Item = ProcessorKind> + '_ {
        self.0.iter().copied()
    }

    pub fn contains(&self, kind: ProcessorKind) -> bool {
        self.0.contains(&kind)
    }

    /// Whether there is only one.
    pub fn is_single(&self) -> bool {
        self.0.len() == 1
    }
}

impl From<ProcessorKind> for Processors {
    fn from(kind: ProcessorKind) -> Self {
        Self(vec![kind])
    }
}

impl From<OneOrMany> for Processors {
    fn from(stored: OneOrMany) -> Self {
        match stored {
            OneOrMany::One(kind) => Self::from(kind),
            OneOrMany::Many(kinds) => Self::new(&kinds).unwrap_or_else(|| Self::from(ProcessorKind::FacialRecognition)),
        }
    }
}

impl From<Processors> for OneOrMany {
    fn from(processors: Processors) -> Self {
        if let [kind] = processors.0[..] {
            return Self::One(kind);
        }
        Self::Many(processors.0)
    }
}

/// The names, separated by commas.
impl fmt::Display for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(ProcessorKind::name).collect();
        f.write_str(&names.join(", "))
    }
}

/// The backends that are chosen, by processor. Those of a bucket take precedence over those of the application
/// (processors, section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Backends {
    #[serde(skip_serializing_if = "Option::is_none")]
    facial_recognition: Option<Backend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_detection: Option<Backend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_translation: Option<Backend>,
}

impl Backends {
    /// The backend that is chosen for a processor, if one is.
    pub fn get(&self, kind: ProcessorKind) -> Option<Backend> {
        match kind {
            ProcessorKind::FacialRecognition => self.facial_recognition,
            ProcessorKind::ObjectDetection => self.object_detection,
            ProcessorKind::AutoTranslation => self.auto_translation,
        }
    }

    /// Chooses the backend of a processor.
    ///
    /// # Errors
    /// The processor has no such backend.
    pub fn choose(&mut self, kind: ProcessorKind, backend: Backend) -> Result<(), NoSuchBackend> {
        if !kind.backends().contains(&backend) {
            return Err(NoSuchBackend { kind, backend });
        }
        let chosen = match kind {
            ProcessorKind::FacialRecognition => &mut self.facial_recognition,
            ProcessorKind::ObjectDetection => &mut self.object_detection,
            ProcessorKind::AutoTranslation => &mut self.auto_translation,
        };
        *chosen = Some(backend);
        Ok(())
    }

    /// Where a processor runs: as chosen here, or else there, or else by default.
    pub fn effective(&self, fallback: &Self, kind: ProcessorKind) -> Backend {
        self.get(kind).or(fallback.get(kind)).unwrap_or(kind.default_backend())
    }
}

/// A processor does not have this backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchBackend {
    pub kind: ProcessorKind,
    pub backend: Backend,
}

impl fmt::Display for NoSuchBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.kind.backends().iter().map(|it| format!("`{}`", it.name())).collect();
        write!(f, "{} has no backend `{}`, but {}", self.kind.name(), self.backend.name(), names.join(" and "))
    }
}

/// Processor settings of a bucket. Absent values fall back to the processor's defaults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessorSettings {
    pub backends: Backends,
    /// Frames analysed per second of video, 0.1 to 10.
    pub sample_fps: Option<f32>,
    /// Minimum size of a face in pixels of the analysed picture, 20 to 1000.
    pub min_face_px: Option<u32>,
    /// Minimum detection score, above 0.
    pub score_threshold: Option<f64>,
    /// Minimum confidence of an object, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_confidence: Option<f64>,
    /// The language that is spoken, such as `en-US`; absent means that the processor identifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The languages to translate into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

impl ProcessorSettings {
    /// The parameters of a job, in this order of precedence: those of the bucket, those of the application, the defaults
    /// that hold for all backends (processors, section 2.6).
    pub fn parameters(&self, kind: ProcessorKind, application: &Map<String, Value>) -> Value {
        let mut parameters = application.clone();
        let mut set = |name: &str, value: Option<Value>, default: Option<Value>| {
            let value = value.or_else(|| parameters.get(name).cloned()).or(default);
            parameters.extend(value.map(|it| (name.to_owned(), it)));
        };
        match kind {
            ProcessorKind::FacialRecognition | ProcessorKind::ObjectDetection => {
                // as it was written: a 32-bit number has more digits than it means
                let sample_fps = self.sample_fps.map(|it| json!((f64::from(it) * 1_000.0).round() / 1_000.0));
                set("sample_fps", sample_fps, Some(json!(2.0)));
                set("min_confidence", self.min_confidence.map(|it| json!(it)), None);
            }
            ProcessorKind::AutoTranslation => {
                set("source", self.source.as_ref().map(|it| json!(it)), Some(Value::Null));
                set("targets", (!self.targets.is_empty()).then(|| json!(self.targets)), Some(json!(["es"])));
            }
        }
        Value::Object(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_a_name_and_several_are_a_list() {
        let read = |text: &str| serde_json::from_str::<Processors>(text).unwrap();
        let check = |text: &str, want: &str| {
            assert_eq!(serde_json::to_string(&read(text)).unwrap(), want, "{text}");
        };
        check(r#""FacialRecognition""#, r#""FacialRecognition""#);
        check(r#"["ObjectDetection"]"#, r#""ObjectDetection""#);
        check(
            r#"["AutoTranslation","FacialRecognition","AutoTranslation"]"#,
            r#"["AutoTranslation","FacialRecognition"]"#,
        );
        assert!(serde_json::from_str::<Processors>(r#""Magic""#).is_err());
    }

    #[test]
    fn a_backend_is_chosen_per_bucket_then_per_application() {
        let (mut bucket, mut application) = (Backends::default(), Backends::default());
        let faces = ProcessorKind::FacialRecognition;
        assert_eq!(bucket.effective(&application, faces), Backend::Embedded);
        application.choose(faces, Backend::External).unwrap();
        assert_eq!(bucket.effective(&application, faces), Backend::External);
        bucket.choose(faces, Backend::Embedded).unwrap();
        assert_eq!(bucket.effective(&application, faces), Backend::Embedded);
        let refused = bucket.choose(ProcessorKind::ObjectDetection, Backend::Aws).unwrap_err();
        assert_eq!(refused.to_string(), "ObjectDetection has no backend `aws`, but `external`");
    }

    #[test]
    fn parameters_of_the_bucket_come_first_then_those_of_the_application() {
        let application = json!({ "sample_fps": 5.0, "colour": "red", "targets": ["ca"] });
        let application = application.as_object().unwrap();
        let bucket = ProcessorSettings { sample_fps: Some(0.3), ..ProcessorSettings::default() };
        let check = |settings: &ProcessorSettings, kind: ProcessorKind, want: Value| {
            assert_eq!(settings.parameters(kind, application), want);
        };
        let objects = json!({ "sample_fps": 0.3, "colour": "red", "targets": ["ca"] });
        check(&bucket, ProcessorKind::ObjectDetection, objects);
        let translation = json!({ "sample_fps": 5.0, "colour": "red", "targets": ["ca"], "source": null });
        check(&bucket, ProcessorKind::AutoTranslation, translation);
        let default = ProcessorSettings::default().parameters(ProcessorKind::AutoTranslation, &Map::new());
        assert_eq!(default, json!({ "source": null, "targets": ["es"] }));
    }
}
