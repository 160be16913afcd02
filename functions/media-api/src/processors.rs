//! Processors and their backends, as bodies of requests and responses name them.

use std::collections::BTreeMap;

use domain::processor::{Backend, Backends, ProcessorKind, Processors};
use entry::http::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A processor's name, or a list of names: `FacialRecognition`, `ObjectDetection`, `AutoTranslation`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ProcessorNames {
    One(String),
    Many(Vec<String>),
}

/// A backend for all processors, or one for each: `embedded`, `external`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum BackendNames {
    All(String),
    Each(BTreeMap<String, String>),
}

impl Default for ProcessorNames {
    fn default() -> Self {
        Self::One(ProcessorKind::FacialRecognition.name().to_owned())
    }
}

impl ProcessorNames {
    pub(crate) fn shown(processors: &Processors) -> Self {
        if processors.is_single() {
            return Self::One(processors.first().name().to_owned());
        }
        Self::Many(processors.iter().map(|it| it.name().to_owned()).collect())
    }

    /// The processors that are named.
    ///
    /// # Errors
    /// 422: a name is unknown, or there is none.
    pub(crate) fn validate(&self) -> Result<Processors, Problem> {
        let names = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => &names[..],
        };
        let kinds = names.iter().map(|it| kind("processor", it)).collect::<Result<Vec<ProcessorKind>, Problem>>()?;
        Processors::new(&kinds).ok_or_else(|| Problem::invalid("processor", "at least one processor"))
    }
}

impl BackendNames {
    /// Where the processors run.
    pub(crate) fn shown(processors: &Processors, backends: &Backends, fallback: &Backends) -> Self {
        let backend = |kind| backends.effective(fallback, kind).name().to_owned();
        if processors.is_single() {
            return Self::All(backend(processors.first()));
        }
        Self::Each(processors.iter().map(|it| (it.name().to_owned(), backend(it))).collect())
    }

    /// The choices of an application; `None` if it has made none.
    pub(crate) fn chosen(backends: &Backends) -> Option<Self> {
        let chosen = ProcessorKind::ALL.into_iter();
        let chosen = chosen.filter_map(|it| Some((it.name().to_owned(), backends.get(it)?.name().to_owned())));
        let chosen: BTreeMap<String, String> = chosen.collect();
        (!chosen.is_empty()).then_some(Self::Each(chosen))
    }

    /// The backends that are chosen. A single name is chosen for all `processors`. `field` names the setting.
    ///
    /// # Errors
    /// 422: a name is unknown, or a processor does not have the backend.
    pub(crate) fn validate(&self, field: &str, processors: &Processors) -> Result<Backends, Problem> {
        let mut backends = Backends::default();
        let wanted: Vec<(ProcessorKind, &String)> = match self {
            Self::All(name) => processors.iter().map(|it| (it, name)).collect(),
            Self::Each(names) => {
                let mut wanted = Vec::new();
                for (processor, backend) in names {
                    wanted.push((kind(field, processor)?, backend));
                }
                wanted
            }
        };
        for (kind, name) in wanted {
            let unknown = |()| Problem::invalid(field, "the backend is `embedded`, `aws` or `external`");
            let backend: Backend = name.parse().map_err(unknown)?;
            backends.choose(kind, backend).map_err(|it| Problem::invalid(field, it.to_string()))?;
        }
        Ok(backends)
    }
}

/// Checks that the deployment has the processors, those of `before` aside.
///
/// # Errors
/// 422: one is switched off.
pub(crate) fn check_switched_on(
    processors: &Processors,
    before: Option<&Processors>,
    off: &[ProcessorKind],
) -> Result<(), Problem> {
    let is_new = |kind: ProcessorKind| !before.is_some_and(|it| it.contains(kind));
    match processors.iter().find(|it| off.contains(it) && is_new(*it)).map(ProcessorKind::name) {
        None => Ok(()),
        Some(name) => {
            let reason =
                format!("the operator of this deployment has not switched {name} on, which is the parameter `{name}`");
            Err(Problem::invalid("processor", reason))
        }
    }
}

/// The processor of a name.
///
/// # Errors
/// 422 for `field`.
pub(crate) fn kind(field: &str, name: &str) -> Result<ProcessorKind, Problem> {
    let names: Vec<String> = ProcessorKind::ALL.into_iter().map(|it| format!("`{}`", it.name())).collect();
    name.parse().map_err(|()| Problem::invalid(field, format!("a processor is one of {}", names.join(", "))))
}
