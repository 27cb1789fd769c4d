//! The shipped examples are valid, and an unknown key is reported with file, line, column and what was
//! expected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/examples").join(name)
}

#[test]
fn shipped_examples_are_valid() -> Result<()> {
    for kind in ["", "-minimal"] {
        runtime::config::load::<gateway::config::Config>(&example(&format!("gateway{kind}.yaml")))?;
        comm_server::Config::load(&example(&format!("comm-server{kind}.yaml")))?;
        runtime::config::load::<global_server::Config>(&example(&format!("global-server{kind}.yaml")))?;
    }
    Ok(())
}

#[test]
fn a_wrong_key_is_reported_by_every_program() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for (name, program) in [
        ("gateway.yaml", "platen-gateway"),
        ("comm-server.yaml", "platen-comm-server"),
        ("global-server.yaml", "platen-global-server"),
    ] {
        let file = dir.path().join(name);
        let text = fs::read_to_string(example(name))?.replace("data_dir:", "data_dri:");
        let line = 1 + text.lines().position(|l| l.starts_with("data_dri")).unwrap_or_default();
        fs::write(&file, text)?;
        let output =
            Command::new(tests::program::path(program)?).arg("--config").arg(&file).arg("check").output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{program}: {said}");
        let place = format!("{}:{line}:1", file.display());
        assert!(
            said.contains(&place) && said.contains("data_dri") && said.contains("data_dir"),
            "{program}: {said}"
        );
    }
    Ok(())
}
