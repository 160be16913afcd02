//! The types of the Network Message Storage API (NMS 5.3.2), with those members of the 2019 edition that clients use.

use super::definition::Kind::{Bool, Empty, Number, Text, Uri};
use super::definition::{Field, Kind, Namespace, Root, Type};
use super::netapi::{CALLBACK_REFERENCE, LINK, REQUEST_ERROR};

const NAMESPACE: Namespace = Namespace { prefix: "nms", uri: "urn:oma:xml:rest:netapi:nms:1" };

const fn root(name: &'static str, kind: Kind) -> Root {
    Root { name, namespace: NAMESPACE, kind }
}

pub(crate) static ROOTS: [Root; 21] = [
    root("object", Kind::Type(&OBJECT)),
    root("objectList", Kind::Type(&OBJECT_LIST)),
    root("flag", Text),
    root("flagList", Kind::Type(&FLAG_LIST)),
    root("folder", Kind::Type(&FOLDER)),
    root("folderList", Kind::Type(&FOLDER_LIST)),
    root("folderReferenceList", Kind::Type(&FOLDER_REFERENCE_LIST)),
    root("objectReferenceList", Kind::Type(&OBJECT_REFERENCE_LIST)),
    root("reference", Kind::Type(&REFERENCE)),
    root("targetSourceRef", Kind::Type(&TARGET_SOURCE_REF)),
    root("pathList", Kind::Type(&PATH_LIST)),
    root("bulkResponseList", Kind::Type(&BULK_RESPONSE_LIST)),
    root("empty", Empty),
    root("selectionCriteria", Kind::Type(&SELECTION_CRITERIA)),
    root("nmsSubscription", Kind::Type(&NMS_SUBSCRIPTION)),
    root("nmsSubscriptionList", Kind::Type(&NMS_SUBSCRIPTION_LIST)),
    root("nmsSubscriptionUpdate", Kind::Type(&NMS_SUBSCRIPTION_UPDATE)),
    root("nmsEventList", Kind::Type(&NMS_EVENT_LIST)),
    root("name", Text),
    root("bulkUpdate", Kind::Type(&BULK_UPDATE)),
    root("bulkDelete", Kind::Type(&BULK_DELETE)),
];

static NMS_SUBSCRIPTION: Type = Type {
    name: "NmsSubscription",
    fields: &[
        Field::optional("callbackReference", Kind::Type(&CALLBACK_REFERENCE)),
        Field::optional("duration", Number),
        Field::optional("filter", Kind::Type(&SEARCH_CRITERIA)),
        Field::optional("clientCorrelator", Text),
        Field::optional("resourceURL", Uri),
        Field::optional("index", Number),
        Field::optional("restartToken", Text),
        // 2019 edition
        Field::optional("maxEvents", Number),
        Field::repeated("objectAttributeNames", Text),
        Field::optional("inlineImdn", Bool),
    ],
};

static NMS_SUBSCRIPTION_LIST: Type = Type {
    name: "NmsSubscriptionList",
    fields: &[Field::list("subscription", Kind::Type(&NMS_SUBSCRIPTION)), Field::optional("resourceURL", Uri)],
};

static NMS_SUBSCRIPTION_UPDATE: Type = Type {
    name: "NmsSubscriptionUpdate",
    fields: &[Field::optional("duration", Number), Field::optional("restartToken", Text)],
};

static NMS_EVENT_LIST: Type = Type {
    name: "NmsEventList",
    fields: &[
        Field::list("nmsEvent", Kind::Type(&NMS_EVENT)),
        Field::optional("callbackData", Text),
        Field::optional("index", Number),
        Field::optional("restartToken", Text),
        Field::repeated("link", Kind::Type(&LINK)),
    ],
};

static NMS_EVENT: Type = Type {
    name: "NmsEvent",
    fields: &[
        Field::optional("deletedObject", Kind::Type(&DELETED_OBJECT)),
        Field::optional("deletedFolder", Kind::Type(&DELETED_FOLDER)),
        Field::optional("expiredObject", Kind::Type(&DELETED_OBJECT)),
        Field::optional("expiredFolder", Kind::Type(&DELETED_FOLDER)),
        Field::optional("changedObject", Kind::Type(&CHANGED_OBJECT)),
        Field::optional("changedFolder", Kind::Type(&CHANGED_FOLDER)),
        Field::optional("resetBox", Empty),
    ],
};

static DELETED_OBJECT: Type = Type {
    name: "DeletedObject",
    fields: &[
        Field::optional("resourceURL", Uri),
        Field::optional("lastModSeq", Number),
        Field::optional("correlationId", Text),
        Field::optional("correlationTag", Text),
    ],
};

static DELETED_FOLDER: Type = Type {
    name: "DeletedFolder",
    fields: &[Field::optional("resourceURL", Uri), Field::optional("lastModSeq", Number)],
};

static CHANGED_OBJECT: Type = Type {
    name: "ChangedObject",
    fields: &[
        Field::optional("parentFolder", Uri),
        Field::optional("attributes", Kind::Type(&ATTRIBUTE_LIST)), // 2019 edition
        Field::optional("flags", Kind::Type(&FLAG_LIST)),
        Field::optional("resourceURL", Uri),
        Field::optional("lastModSeq", Number),
        Field::optional("correlationId", Text),
        Field::optional("correlationTag", Text),
        Field::optional("imdns", Kind::Type(&IMDNS)), // 2019 edition
    ],
};

static CHANGED_FOLDER: Type = Type {
    name: "ChangedFolder",
    fields: &[
        Field::optional("parentFolder", Uri),
        Field::optional("resourceURL", Uri),
        Field::optional("name", Text),
        Field::optional("lastModSeq", Number),
    ],
};

static OBJECT: Type = Type {
    name: "Object",
    fields: &[
        Field::optional("parentFolder", Uri),
        Field::optional("parentFolderPath", Text),
        Field::optional("attributes", Kind::Type(&ATTRIBUTE_LIST)),
        Field::optional("flags", Kind::Type(&FLAG_LIST)),
        Field::optional("resourceURL", Uri),
        Field::optional("path", Text),
        Field::optional("payloadURL", Uri),
        Field::repeated("payloadPart", Kind::Type(&PAYLOAD_PART_INFO)),
        Field::optional("lastModSeq", Number),
        Field::optional("correlationId", Text),
        Field::optional("correlationTag", Text),
        Field::optional("imdns", Kind::Type(&IMDNS)), // 2019 edition
    ],
};

static OBJECT_LIST: Type = Type {
    name: "ObjectList",
    fields: &[
        Field::list("object", Kind::Type(&OBJECT)),
        Field::optional("cursor", Text),
        Field::optional("creationCursor", Text),
    ],
};

static ATTRIBUTE_LIST: Type =
    Type { name: "AttributeList", fields: &[Field::list("attribute", Kind::Type(&ATTRIBUTE))] };

static ATTRIBUTE: Type =
    Type { name: "Attribute", fields: &[Field::optional("name", Text), Field::repeated("value", Text)] };

static FLAG_LIST: Type =
    Type { name: "FlagList", fields: &[Field::repeated("flag", Text), Field::optional("resourceURL", Uri)] };

static PAYLOAD_PART_INFO: Type = Type {
    name: "PayloadPartInfo",
    fields: &[
        Field::optional("contentType", Text),
        Field::optional("contentId", Text),
        Field::optional("contentLocation", Uri),
        Field::optional("size", Number),
        Field::optional("href", Uri),
        // sent by deployed clients
        Field::optional("contentDisposition", Text),
        Field::optional("contentEncoding", Text),
        Field::optional("content", Text),
        Field::optional("fileIcon", Text),
    ],
};

static IMDNS: Type = Type {
    name: "ImdnList",
    fields: &[
        Field::optional("resourceURL", Uri),
        Field::optional("lastModSeq", Number),
        Field::repeated("imdn", Kind::Type(&IMDN)),
    ],
};

static IMDN: Type = Type {
    name: "Imdn",
    fields: &[Field::optional("originalTo", Text), Field::repeated("imdnInfo", Kind::Type(&IMDN_INFO))],
};

static IMDN_INFO: Type =
    Type { name: "ImdnInfo", fields: &[Field::optional("type", Text), Field::optional("date", Text)] };

static REFERENCE: Type =
    Type { name: "Reference", fields: &[Field::optional("resourceURL", Uri), Field::optional("path", Text)] };

static OBJECT_REFERENCE_LIST: Type =
    Type { name: "ObjectReferenceList", fields: &[Field::list("objectReference", Kind::Type(&REFERENCE))] };

static FOLDER_REFERENCE_LIST: Type =
    Type { name: "FolderReferenceList", fields: &[Field::list("folderReference", Kind::Type(&REFERENCE))] };

static REFERENCE_LIST: Type = Type {
    name: "ReferenceList",
    fields: &[
        Field::optional("folders", Kind::Type(&FOLDER_REFERENCE_LIST)),
        Field::optional("objects", Kind::Type(&OBJECT_REFERENCE_LIST)),
    ],
};

static TARGET_SOURCE_REF: Type = Type {
    name: "TargetSourceRef",
    fields: &[
        Field::optional("targetRef", Kind::Type(&REFERENCE)),
        Field::optional("sourceRefs", Kind::Type(&REFERENCE_LIST)),
    ],
};

static PATH_LIST: Type = Type { name: "PathList", fields: &[Field::list("path", Text)] };

static BULK_RESPONSE_LIST: Type =
    Type { name: "BulkResponseList", fields: &[Field::list("response", Kind::Type(&RESPONSE))] };

static RESPONSE: Type = Type {
    name: "Response",
    fields: &[
        Field::optional("code", Number),
        Field::optional("reason", Text),
        Field::optional("success", Kind::Type(&REFERENCE)),
        Field::optional("failure", Kind::Type(&REQUEST_ERROR)),
    ],
};

static FOLDER: Type = Type {
    name: "Folder",
    fields: &[
        Field::optional("parentFolder", Uri),
        Field::optional("parentFolderPath", Text),
        Field::optional("attributes", Kind::Type(&ATTRIBUTE_LIST)),
        Field::optional("resourceURL", Uri),
        Field::optional("path", Text),
        Field::optional("name", Text),
        Field::optional("lastModSeq", Number),
        Field::optional("cursor", Text),
        Field::optional("subFolders", Kind::Type(&FOLDER_REFERENCE_LIST)),
        Field::optional("objects", Kind::Type(&OBJECT_REFERENCE_LIST)),
    ],
};

static FOLDER_LIST: Type =
    Type { name: "FolderList", fields: &[Field::list("folder", Kind::Type(&FOLDER)), Field::optional("cursor", Text)] };

static SELECTION_CRITERIA: Type = Type {
    name: "SelectionCriteria",
    fields: &[
        Field::optional("fromCursor", Text),
        Field::optional("maxEntries", Number),
        Field::optional("searchCriteria", Kind::Type(&SEARCH_CRITERIA)),
        Field::optional("searchScope", Kind::Type(&REFERENCE)),
        Field::optional("nonRecursiveScope", Bool),
        Field::optional("sortCriteria", Kind::Type(&SORT_CRITERIA)), // the text's name
        Field::optional("sortCriterion", Kind::Type(&SORT_CRITERION)), // the schema's name
    ],
};

static SEARCH_CRITERIA: Type = Type {
    name: "SearchCriteria",
    fields: &[Field::repeated("criterion", Kind::Type(&SEARCH_CRITERION)), Field::optional("operator", Text)],
};

static SEARCH_CRITERION: Type = Type {
    name: "SearchCriterion",
    fields: &[Field::optional("type", Text), Field::optional("name", Text), Field::optional("value", Text)],
};

static SORT_CRITERIA: Type =
    Type { name: "SortCriteria", fields: &[Field::list("criterion", Kind::Type(&SORT_CRITERION))] };

static SORT_CRITERION: Type = Type {
    name: "SortCriterion",
    fields: &[Field::optional("type", Text), Field::optional("name", Text), Field::optional("order", Text)],
};

static BULK_UPDATE: Type = Type {
    name: "BulkUpdate",
    fields: &[
        Field::optional("selectionCriteria", Kind::Type(&SELECTION_CRITERIA)),
        Field::optional("objects", Kind::Type(&OBJECT_REFERENCE_LIST)),
        Field::optional("flags", Kind::Type(&FLAG_LIST)),
        Field::optional("operation", Text),
    ],
};

static BULK_DELETE: Type = Type {
    name: "BulkDelete",
    fields: &[
        Field::optional("objects", Kind::Type(&OBJECT_REFERENCE_LIST)),
        Field::optional("selectionCriteria", Kind::Type(&SELECTION_CRITERIA)),
    ],
};
