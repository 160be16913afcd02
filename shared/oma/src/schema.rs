//! The types of both APIs, as tables: the order of elements, what repeats, and the kind of each value.

mod definition;
mod nc;
mod netapi;
mod nms;

pub(crate) use definition::{Field, Kind, Occurs, Root, Type};

/// The name of the list in which a channel delivers notifications (NC 5.2.2.8).
pub(crate) const NOTIFICATION_LIST: &str = "notificationList";
/// The element that ends the last list of a large-data polling URL (NC 5.2.2.8).
pub(crate) const NC_LIST_COMPLETE: &str = "ncListComplete";
/// The namespace of `xsi:type`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The root element with a name.
pub(crate) fn root(name: &str) -> Option<&'static Root> {
    nc::ROOTS.iter().chain(&nms::ROOTS).chain(&netapi::ROOTS).find(|root| root.name == name)
}

/// The root element with a name, if it is a notification of an enabler that is known here (NMS 5.3.2.2).
pub(crate) fn notification(name: &str) -> Option<&'static Root> {
    root(name).filter(|root| root.name == "nmsEventList")
}

/// The concrete type of `channelData` (NC 5.2.2.3), which `channelType` selects.
pub(crate) fn channel_data(channel_type: &str) -> Option<&'static Type> {
    match channel_type {
        "LongPolling" => Some(&nc::LONG_POLLING_DATA),
        "OMAPush" => Some(&nc::OMA_PUSH_DATA),
        "WebSockets" => Some(&nc::WEB_SOCKETS_DATA),
        "NativeChannel" => Some(&nc::NATIVE_CHANNEL_DATA),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(of: &Type) {
        let names: BTreeSet<&str> = of.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), of.fields.len(), "{} has a field twice", of.name);
        for field in of.fields {
            if let Kind::Type(inner) = field.kind {
                check(inner);
            }
            if let Kind::ChannelData = field.kind {
                assert!(names.contains("channelType"), "{} has nothing that selects the data", of.name);
            }
        }
    }

    #[test]
    fn each_root_has_one_type_with_fields_of_different_names() {
        let roots: Vec<&Root> = nc::ROOTS.iter().chain(&nms::ROOTS).chain(&netapi::ROOTS).collect();
        let names: BTreeSet<&str> = roots.iter().map(|root| root.name).collect();
        assert_eq!(names.len(), roots.len());
        for root in roots {
            if let Kind::Type(of) = root.kind {
                check(of);
            }
        }
    }
}
