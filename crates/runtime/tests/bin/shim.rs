//! Test support: a program that is nothing but a shim or a runner, called as the real one is.

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [word, folder] = &arguments[..] else {
        return std::process::ExitCode::from(2);
    };
    let done: Result<(), Box<dyn std::error::Error>> = match word.to_str() {
        Some("shim") => leadsman_runtime::shim::run(folder.as_ref()).map_err(Into::into),
        Some("job-runner") => leadsman_runtime::job::run(folder.as_ref()).map_err(Into::into),
        _ => return std::process::ExitCode::from(2),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let words = leadsman_runtime::words(&*error);
            let _nobody_reads = writeln!(std::io::stderr(), "{words}");
            std::process::ExitCode::FAILURE
        }
    }
}
