//! The project file on disk.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use leadsman_core::id::EnvironmentName;
use leadsman_core::project::{Location, Problems, Project};
use leadsman_core::spec::EnvironmentSpec;

use crate::codes::Code;
use crate::failure::Failure;
use crate::render::words;

/// The most bytes that are read of a file. Far more than anybody writes by hand; it keeps
/// a device or a wrong file from being read to its end.
const SIZE_MAX: u64 = 4 << 20;

/// How many problems of a file are named where it is not being checked.
const PROBLEMS_SHOWN: usize = 3;

/// A project file as it was read.
#[derive(Clone, Debug)]
pub(crate) struct ProjectFile {
    /// Where it is: an absolute path.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) text: String,
}

impl ProjectFile {
    /// What a project file is called where nobody says otherwise.
    pub(crate) const NAME: &str = "leadsman.yaml";

    /// Returns the nearest project file in `folder` or above it.
    pub(crate) fn find(folder: &Path) -> Option<PathBuf> {
        folder
            .ancestors()
            .map(|folder| folder.join(Self::NAME))
            .find(|path| path.is_file())
    }

    /// Reads the project file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let code = Code::ProjectFileUnreadable;
        let text = read_text(path, "project file", code)?;
        let path = std::path::absolute(path).map_err(|error| {
            let message = format!("failed to read project file `{}`", path.display());
            Failure::new(code, message).because(&error)
        })?;
        Ok(Self { path, text })
    }

    /// Returns its folder: an absolute path.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Returns its name without its folder.
    pub(crate) fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Returns what it means. Its problems are a failure that names the first of them.
    pub(crate) fn parse(&self) -> Result<Project, Failure> {
        Project::parse(&self.text, &self.name()).map_err(|problems| {
            located(&problems, &self.path, Code::ProjectFileWrong)
                .hint("see all about it with `leadsman check`")
        })
    }
}

/// Reads the text of a file that a person wrote; `what` it is.
pub(crate) fn read_text(path: &Path, what: &str, code: Code) -> Result<String, Failure> {
    let failed = |error: &std::io::Error| {
        let message = format!("failed to read {what} `{}`", path.display());
        Failure::new(code, message).because(error)
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&error))?;
    if bytes.len() as u64 > SIZE_MAX {
        return Err(failed(&std::io::Error::other("it has more than 4 MiB")));
    }
    String::from_utf8(bytes).map_err(|_| failed(&std::io::Error::other("it is not UTF-8 text")))
}

/// Says what is wrong with a file: how much, and the first of it with line and column.
pub(crate) fn located(problems: &Problems, path: &Path, code: Code) -> Failure {
    let found = words::count(problems.count() as u64, "problem");
    let mut failure = Failure::new(code, format!("`{}` has {found}", path.display()));
    let first = problems.iter().take(PROBLEMS_SHOWN).map(|problem| {
        let Location { line, column, .. } = problem.location;
        format!("{line}:{column}: {} ({})", problem.message, problem.code)
    });
    failure.causes.extend(first);
    failure
}

/// Returns what the environment is that was named, or the only one.
pub(crate) fn environment<'p>(
    project: &'p Project,
    named: Option<&str>,
) -> Result<&'p EnvironmentSpec, Failure> {
    let names: Vec<&EnvironmentName> = project.environments().collect();
    let all = names
        .iter()
        .map(|name| name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let wanted = match (named, names.as_slice()) {
        (Some(named), _) => {
            let (application, environment) = named.split_once('/').unwrap_or(("", named));
            let is_here = application.is_empty() || application == project.application().as_str();
            names
                .iter()
                .find(|name| is_here && name.as_str() == environment)
                .ok_or_else(|| {
                    Failure::new(
                        Code::NoSuchEnvironment,
                        format!("the project file has no environment `{named}`"),
                    )
                    .hint(format!("it has {all}"))
                })?
        }
        (None, [only]) => only,
        (None, _) => {
            return Err(Failure::new(
                Code::WhichEnvironment,
                "the project file has several environments, and none was named",
            )
            .hint(format!("name one with `--environment`: {all}")));
        }
    };
    project.resolve(wanted).ok_or_else(|| {
        Failure::new(
            Code::NoSuchEnvironment,
            format!("environment `{wanted}` is left out"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_project_file_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        let above = root.path().join(ProjectFile::NAME);
        std::fs::write(&above, "application: shop\n").unwrap();
        assert_eq!(ProjectFile::find(&inner), Some(above));
        let near = root.path().join("a").join(ProjectFile::NAME);
        std::fs::write(&near, "").unwrap();
        assert_eq!(ProjectFile::find(&inner), Some(near));
    }

    #[test]
    fn what_is_no_text_is_not_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ProjectFile::NAME);
        assert_eq!(ProjectFile::read(&path).unwrap_err().code, "L011");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        let failure = ProjectFile::read(&path).unwrap_err();
        assert_eq!(failure.causes, ["it is not UTF-8 text"]);
        let huge = std::fs::File::create(&path).unwrap();
        huge.set_len(SIZE_MAX + 1).unwrap();
        let failure = ProjectFile::read(&path).unwrap_err();
        assert_eq!(failure.causes, ["it has more than 4 MiB"]);
    }

    #[test]
    fn an_environment_must_be_named_where_there_are_several() {
        let text = "application: shop\nservices:\n  web: { run: ./web }\nenvironments:\n  \
                    staging: { listen: 127.0.0.1:8081 }\n  production: {}\n";
        let project = Project::parse(text, "leadsman.yaml").unwrap();
        for named in ["staging", "shop/staging"] {
            let spec = environment(&project, Some(named)).unwrap();
            assert_eq!(spec.environment.as_str(), "staging");
        }
        assert_eq!(environment(&project, None).unwrap_err().code, "L020");
        for named in ["stagin", "blog/staging"] {
            assert_eq!(environment(&project, Some(named)).unwrap_err().code, "L021");
        }
    }
}
