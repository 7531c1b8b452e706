//! Rebuilds the crate when the console was built anew. Debug builds read the console's files from disk when they are asked for, so only
//! release builds, which embed them, have to know; and a debug build from before there was a console, which has no place to look.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if release || !Path::new("../apps/console/dist").exists() {
        println!("cargo::rerun-if-changed=../apps/console/dist");
    }
}
