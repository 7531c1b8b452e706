//! Rebuilds the crate when the console was built anew. Debug builds read the console's files from disk when they are asked for, so only
//! release builds, which embed them, have to know.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../apps/console/dist");
    }
}
