//! Writes one `extension_sql_file!` for each `sql/NNN_name.sql`, each requiring the one before, so that the number is
//! the load order and no file can be forgotten.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).with_file_name("sql");
    println!("cargo::rerun-if-changed=../sql");

    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            if !is_numbered(name) {
                return Err(
                    format!("{}: expected a name like 010_schema.sql", path.display()).into(),
                );
            }
            files.push((name.to_owned(), path));
        }
    }
    files.sort();

    let mut chain = String::new();
    let mut previous = "leaves";
    for (name, path) in &files {
        writeln!(
            chain,
            "::pgrx::extension_sql_file!({path:?}, name = {name:?}, requires = [{previous:?}]);"
        )?;
        previous = name;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("install.rs"), chain)?;
    Ok(())
}

fn is_numbered(name: &str) -> bool {
    let (number, rest) = name.split_at_checked(3).unwrap_or_default();
    number.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with('_')
}
