//! Packs the API's description as it is served, without the white space that it is written with, and
//! lists the fields of each endpoint's body.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=openapi.json");
    let description: Value = serde_json::from_str(&std::fs::read_to_string("openapi.json")?)?;
    let folder = std::env::var("OUT_DIR")?;
    let folder = Path::new(&folder);
    std::fs::write(folder.join("openapi.json"), description.to_string())?;
    let mut fields: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let paths = description["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for operation in paths.flat_map(|methods| methods.as_object()).flat_map(|all| all.values()) {
        let contents = operation["requestBody"]["content"].as_object();
        let (Some(name), Some(contents)) = (operation["operationId"].as_str(), contents) else {
            continue;
        };
        for content in contents.values() {
            collect(&description, &content["schema"], "", fields.entry(name).or_default());
        }
    }
    let listed = fields.iter().map(|(name, fields)| {
        let fields = fields.iter().collect::<Vec<_>>();
        format!("({name:?}, &{fields:?})")
    });
    let listed = listed.collect::<Vec<_>>().join(",\n");
    Ok(std::fs::write(folder.join("fields.rs"), format!("&[\n{listed}\n]"))?)
}

/// Collects the names of a schema's fields, behind a prefix; those of `details` too.
fn collect(description: &Value, schema: &Value, prefix: &str, fields: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = description.pointer(reference.trim_start_matches('#'));
        return collect(description, target.unwrap_or(&Value::Null), prefix, fields);
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        fields.insert(format!("{prefix}{name}"));
        if name == "details" {
            collect(description, schema, "details.", fields);
        }
    }
    for part in ["allOf", "anyOf", "oneOf"].iter().filter_map(|part| schema[part].as_array()) {
        part.iter().for_each(|schema| collect(description, schema, prefix, fields));
    }
}
