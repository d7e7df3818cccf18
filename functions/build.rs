//! Packs the API's description as it is served: without the white space that it is written with.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=openapi.json");
    let description: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("openapi.json")?)?;
    let folder = std::env::var("OUT_DIR")?;
    Ok(std::fs::write(Path::new(&folder).join("openapi.json"), description.to_string())?)
}
