//! Who may call what: one table.

use crate::audit::Label;
use crate::role::Role;

/// Every procedure of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    /// Announce a token file.
    SubmissionBegin,
    /// Send a token file.
    SubmissionUpload,
    /// Register a permit.
    PermitSubmit,
    /// End a permit.
    PermitRevoke,
    /// Show a permit.
    PermitShow,
    /// List permits.
    PermitList,
    /// Start a run.
    RunStart,
    /// Follow a run.
    RunWatch,
    /// Show what a run executed.
    RunExplain,
    /// End a run.
    RunCancel,
    /// List runs.
    RunList,
    /// Release a crosswalk.
    ReleaseCrosswalk,
    /// Release linkage keys.
    ReleaseKeys,
    /// Show what is held.
    CatalogueGet,
    /// Export the audit log.
    AuditExport,
    /// Sign where the audit log stands.
    AuditCheckpoint,
}

impl Rpc {
    /// Every procedure.
    pub const ALL: [Self; 16] = [
        Self::SubmissionBegin,
        Self::SubmissionUpload,
        Self::PermitSubmit,
        Self::PermitRevoke,
        Self::PermitShow,
        Self::PermitList,
        Self::RunStart,
        Self::RunWatch,
        Self::RunExplain,
        Self::RunCancel,
        Self::RunList,
        Self::ReleaseCrosswalk,
        Self::ReleaseKeys,
        Self::CatalogueGet,
        Self::AuditExport,
        Self::AuditCheckpoint,
    ];

    /// Its name in the audit log.
    pub fn action(self) -> Label {
        Label::fixed(self.describe().0)
    }

    /// The roles that may call it. Of what database or project, the call itself decides.
    pub fn callers(self) -> &'static [&'static str] {
        self.describe().1
    }

    /// Whether a role may call it.
    pub fn admits(self, role: &Role) -> bool {
        self.callers().contains(&role.kind())
    }

    /// The table: the name in the audit log, and the roles that may call.
    fn describe(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::SubmissionBegin => ("submission.begin", &["custodian"]),
            Self::SubmissionUpload => ("submission.upload", &["custodian"]),
            Self::PermitSubmit => ("permit.submit", &["committee"]),
            Self::PermitRevoke => ("permit.revoke", &["committee"]),
            Self::PermitShow => ("permit.show", &["committee", "project"]),
            Self::PermitList => ("permit.list", &["committee", "project"]),
            Self::RunStart => ("run.start", &["project"]),
            Self::RunWatch => ("run.watch", &["project"]),
            Self::RunExplain => ("run.explain", &["project"]),
            Self::RunCancel => ("run.cancel", &["project"]),
            Self::RunList => ("run.list", &["project", "operator"]),
            Self::ReleaseCrosswalk => ("release.crosswalk", &["custodian"]),
            Self::ReleaseKeys => ("release.keys", &["project"]),
            Self::CatalogueGet => ("catalogue.get", &["operator", "auditor"]),
            Self::AuditExport => ("audit.export", &["auditor"]),
            Self::AuditCheckpoint => ("audit.checkpoint", &["auditor"]),
        }
    }
}
