//! The documents of devpi's JSON API, as the server writes them and the client reads them.
//!
//! Wire shapes and nothing else: keys, spellings, order. Who may see what was decided before. Fields that
//! devpi takes as free JSON stay [`serde_json::Value`].

mod action_log;
mod api_config;
mod envelope;
mod login;
mod push;
mod status;
mod test_results;
mod time;
mod token;
mod user;
mod version_data;

pub use self::{
    action_log::ActionLogEntry,
    api_config::{ApiConfig, AuthStatus, FEATURES},
    envelope::{Envelope, Kind},
    login::{LoginRequest, LoginRequestError, ProxyAuth},
    push::{ExternalTarget, PushDocs, PushRequest, PushRequestError, PushTarget},
    status::{MetricKind, PollingReplica, Status, StatusMetric},
    test_results::{
        TestCommandDocument, TestEnvironmentDocument, TestReportDocument, TestRunDetail,
        TestRunDocument,
    },
    time::{When, format_time, parse_time},
    token::{TokenDocument, TokenInfo, TokensInfo},
    user::{UserDocument, index_document},
    version_data::{LinkDocument, LogDocument, ProjectDocument, ReleaseFileMetadata, VersionData},
};
