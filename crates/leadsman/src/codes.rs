//! Every code that a person may meet, with the page that explains it.
//!
//! `L` codes are the program's and its API's, `R` codes are refusals of the domain, `P` codes are
//! problems of a project file. A code keeps its meaning for ever and is never used again.

/// What kind of thing did not work: the codes of the program itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    NotRunning,
    NotPermitted,
    Connect,
    OtherVersion,
    Lost,
    NoAnswer,
    NotUnderstood,
    NoProjectFile,
    ProjectFileUnreadable,
    ProjectFileWrong,
    FileExists,
    NotWritten,
    LimitsWrong,
    LineWrong,
    WhichEnvironment,
    NoSuchEnvironment,
    NothingShipped,
    NotPacked,
    NotServable,
    LogBroken,
    LogUnreadable,
    ReplayDiffers,
    Unexplained,
    RolledBack,
    Superseded,
    Frozen,
    NotStarted,
    StateInUse,
    DemoUnplayed,
    DemoUnexpected,
}

impl Code {
    /// Every code of the program itself.
    #[cfg(test)]
    pub(crate) const ALL: &[Self] = &[
        Self::NotRunning,
        Self::NotPermitted,
        Self::Connect,
        Self::OtherVersion,
        Self::Lost,
        Self::NoAnswer,
        Self::NotUnderstood,
        Self::NoProjectFile,
        Self::ProjectFileUnreadable,
        Self::ProjectFileWrong,
        Self::FileExists,
        Self::NotWritten,
        Self::LimitsWrong,
        Self::LineWrong,
        Self::WhichEnvironment,
        Self::NoSuchEnvironment,
        Self::NothingShipped,
        Self::NotPacked,
        Self::NotServable,
        Self::LogBroken,
        Self::LogUnreadable,
        Self::ReplayDiffers,
        Self::Unexplained,
        Self::RolledBack,
        Self::Superseded,
        Self::Frozen,
        Self::NotStarted,
        Self::StateInUse,
        Self::DemoUnplayed,
        Self::DemoUnexpected,
    ];

    /// Returns the code as it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "L001",
            Self::NotPermitted => "L002",
            Self::Connect => "L003",
            Self::OtherVersion => "L004",
            Self::Lost => "L005",
            Self::NoAnswer => "L006",
            Self::NotUnderstood => "L007",
            Self::NoProjectFile => "L010",
            Self::ProjectFileUnreadable => "L011",
            Self::ProjectFileWrong => "L012",
            Self::FileExists => "L013",
            Self::NotWritten => "L014",
            Self::LimitsWrong => "L015",
            Self::LineWrong => "L016",
            Self::WhichEnvironment => "L020",
            Self::NoSuchEnvironment => "L021",
            Self::NothingShipped => "L022",
            Self::NotPacked => "L030",
            Self::NotServable => "L032",
            Self::LogBroken => "L040",
            Self::LogUnreadable => "L041",
            Self::ReplayDiffers => "L042",
            Self::Unexplained => "L050",
            Self::RolledBack => "L060",
            Self::Superseded => "L061",
            Self::Frozen => "L062",
            Self::NotStarted => "L070",
            Self::StateInUse => "L071",
            Self::DemoUnplayed => "L072",
            Self::DemoUnexpected => "L073",
        }
    }
}
