//! The types of both APIs as structs, with the names of the protocols, over the content of a [`Document`](crate::Document).

mod bulk;
mod channel;
mod event;
mod netapi;
mod null;
mod object;
mod search;
mod subscription;

pub use bulk::{BulkDelete, BulkUpdate, FlagOperation};
pub use channel::{
    ChannelData, ChannelType, ConnAck, ConnCheck, LargeDataPolling, LargePollingNotification, NativeChannelSubType,
    NotificationChannel, NotificationChannelLifetime, NotificationChannelList,
};
pub use event::{ChangedFolder, ChangedObject, DeletedFolder, DeletedObject, NmsEvent, NmsEventList};
pub use netapi::{CallbackReference, Exception, Link, RequestError};
pub use object::{
    Attribute, AttributeList, BulkResponse, BulkResponseList, FlagList, Folder, FolderList, FolderReferenceList,
    Object, ObjectList, ObjectReferenceList, PathList, PayloadPartInfo, Reference, ReferenceList, TargetSourceRef,
};
pub use search::{
    LogicalOperator, SearchCriteria, SearchCriterion, SearchType, SelectionCriteria, SortCriteria, SortCriterion,
    SortOrder, SortType,
};
pub use subscription::{NmsSubscription, NmsSubscriptionList, NmsSubscriptionUpdate};
