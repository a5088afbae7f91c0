//! Runs the protobuf compiler that comes as a package of the registry, with the arguments given.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let compiler = match protoc_bin_vendored::protoc_bin_path() {
        Ok(compiler) => compiler,
        Err(problem) => {
            eprintln!("protoc: {problem}; set PROTOC to one of your own");
            return ExitCode::FAILURE;
        }
    };
    let mut command = Command::new(compiler);
    // Where the well-known types lie.
    if let Ok(include) = protoc_bin_vendored::include_path() {
        command.arg("-I").arg(include);
    }
    match command.args(std::env::args_os().skip(1)).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
