//! The programs that export users, and by which names they have the fields.

mod auth0;
mod clerk;
mod cognito;
mod firebase;
mod keycloak;
mod own;

use std::borrow::Cow;

use serde_json::{Map, Value};
use shared::profile::{Profile, object};

use super::field::{Field, Mapping};
use super::line::{Line, Trouble, is_none};

/// A program that exports users.
pub struct Source {
    /// Its name.
    pub name: &'static str,
    /// Returns true for a record of its.
    pub(super) is: fn(&Map<String, Value>) -> bool,
    /// Brings a record into a form with a field for each thing.
    pub(super) prepare: fn(&mut Map<String, Value>),
    /// The fields by their names; `a.b` is the field `b` of the object `a`. Of two that tell the
    /// same, the first counts that a record has.
    pub(super) fields: &'static [(&'static str, Field)],
}

/// Records with Roster's and Supabase's names.
pub const OWN: &Source = &own::SOURCE;

/// All of them. The last one knows every record.
pub const SOURCES: &[Source] = &[
    cognito::SOURCE,
    firebase::SOURCE,
    auth0::SOURCE,
    clerk::SOURCE,
    keycloak::SOURCE,
    // The last one.
    own::SOURCE,
];

/// Returns true if a column tells who a user is, in whichever program.
pub fn names_identity(column: &str) -> bool {
    SOURCES
        .iter()
        .flat_map(|source| source.fields)
        .any(|(name, field)| *name == column && field.is_identity())
}

/// A record that is read.
pub struct Reading {
    /// The program that it comes from.
    pub source: &'static str,
    /// The user.
    pub line: Line,
    /// The fields that cannot be used.
    pub troubles: Vec<Trouble>,
    /// The fields that are not imported.
    pub not_imported: Vec<String>,
}

/// Reads a record.
pub fn read(mut fields: Map<String, Value>, mappings: &[Mapping]) -> Reading {
    let source = SOURCES.iter().find(|source| (source.is)(&fields)).unwrap_or(OWN);
    (source.prepare)(&mut fields);
    let mapped = mappings.iter().map(|mapping| (mapping.path.as_str(), &mapping.field));
    let known = source.fields.iter().map(|(path, field)| (*path, field));
    let known = known.filter(|(path, _)| !mappings.iter().any(|mapping| mapping.path == *path));
    let paths: Vec<(&str, &Field)> = mapped.chain(known).collect();
    let (mut line, mut troubles) = (Line::default(), Vec::new());
    for (path, field) in &paths {
        if let Some(value) = find(&fields, path).filter(|value| !is_none(value)) {
            line.set(path, field, &value, &mut troubles);
        }
    }
    let not_imported = not_imported(&fields, &paths);
    Reading { source: source.name, line, troubles, not_imported }
}

/// The value at a path. A column may have a dot in its name.
fn find<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<Cow<'a, Value>> {
    if let Some(value) = fields.get(path) {
        return Some(Cow::Borrowed(value));
    }
    let (name, rest) = path.split_once('.')?;
    match object(fields.get(name)?)? {
        Cow::Borrowed(fields) => find(fields, rest),
        Cow::Owned(fields) => find(&fields, rest).map(|value| Cow::Owned(value.into_owned())),
    }
}

/// The fields of a record that no path names: of objects, each of theirs.
fn not_imported(fields: &Map<String, Value>, paths: &[(&str, &Field)]) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in fields {
        let taken = paths.iter().find(|(path, _)| path == name).map(|(_, field)| *field);
        let is_outer = |path: &str| path.split_once('.').is_some_and(|(outer, _)| outer == name);
        let is_read_inside = || paths.iter().any(|(path, _)| is_outer(path));
        match (taken, object(value)) {
            (Some(Field::Profile), Some(inside)) => {
                let is_read = |inner: &str| Profile::fields().any(|field| field == inner);
                names.extend(
                    inside
                        .keys()
                        .filter(|inner| !is_read(inner))
                        .map(|inner| format!("{name}.{inner}")),
                );
            }
            (Some(_), _) => {}
            (None, Some(inside)) if !inside.is_empty() => {
                names.extend(inside.keys().map(|inner| format!("{name}.{inner}")));
            }
            (None, _) if is_none(value) && is_read_inside() => {}
            (None, _) => names.push(name.clone()),
        }
    }
    names.retain(|name| !paths.iter().any(|(path, _)| path == name));
    names
}

fn as_it_is(_: &mut Map<String, Value>) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the guide: a row for each field that several programs have, with its names
    /// there.
    fn table() -> String {
        let mut fields: Vec<&Field> = Vec::new();
        for (_, field) in OWN.fields.iter().chain(keycloak::SOURCE.fields) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let has =
            |source: &Source, field: &Field| source.fields.iter().any(|(_, known)| known == field);
        fields.retain(|field| {
            SOURCES.iter().any(|source| source.name != OWN.name && has(source, field))
        });
        let mut sources: Vec<&Source> = SOURCES.iter().collect();
        sources.rotate_right(1);
        let names: Vec<&str> = sources.iter().map(|source| source.name).collect();
        let mut table = format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()));
        for field in fields {
            let cell = |source: &&Source| {
                let paths = source.fields.iter().filter(|(_, known)| known == field);
                paths.map(|(path, _)| format!("`{path}`")).collect::<Vec<_>>().join(", ")
            };
            table += &format!("| {} |\n", sources.iter().map(cell).collect::<Vec<_>>().join(" | "));
        }
        table
    }

    #[test]
    fn the_guide_has_every_field_of_every_program() {
        let guide = include_str!("../../../docs/import.md");
        assert!(guide.contains(&table()), "docs/import.md should have this table:\n{}", table());
    }
}
