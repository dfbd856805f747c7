//! Test support: a program that is nothing but a shim, called as the real one is.

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [word, folder] = &arguments[..] else {
        return std::process::ExitCode::from(2);
    };
    if word != "shim" {
        return std::process::ExitCode::from(2);
    }
    match leadsman_runtime::shim::run(folder.as_ref()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let words = leadsman_runtime::words(&error);
            let _nobody_reads = writeln!(std::io::stderr(), "{words}");
            std::process::ExitCode::FAILURE
        }
    }
}
