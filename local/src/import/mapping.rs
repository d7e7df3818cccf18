//! The form in which a person says which column has which field: `COLUMN=FIELD`.

use std::str::FromStr;

use super::field::{Field, Mapping};
use super::shown;
use super::sources::OWN;

/// The metadata that users write themselves.
const OWN_WORDS: [&str; 3] = ["user_metadata", "raw_user_meta_data", "unsafe_metadata"];

/// Returns the field of a name that records have in Roster.
fn named(name: &str) -> Option<Field> {
    if let Some(claim) = name.strip_prefix("claims.").filter(|claim| !claim.is_empty()) {
        return Some(Field::Claim(claim.to_owned()));
    }
    let is_meant = |(known, field): &&(&str, Field)| *known == name && *field != Field::IsOperator;
    OWN.fields.iter().find(is_meant).map(|(_, field)| field.clone())
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('=').filter(|(path, _)| !path.is_empty());
        let (path, name) = parts.ok_or_else(|| format!("`{}` is not COLUMN=FIELD", shown(text)))?;
        let Some(field) = named(name) else {
            let known: Vec<_> = OWN
                .fields
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| named(name).is_some() && !name.contains('.'))
                .collect();
            return Err(format!(
                "there is no field `{}`. Use {} or claims.NAME",
                shown(name),
                known.join(", ")
            ));
        };
        let is_own_word = OWN_WORDS.iter().any(|words| {
            path.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if is_own_word && !field.is_description() {
            return Err(format!(
                "users write `{}` themselves: it may be a name, a picture or a job title, and not `{name}`",
                shown(path)
            ));
        }
        Ok(Self { path: path.to_owned(), field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_a_column_and_a_field() {
        let mapping: Mapping = "app_metadata.plan=claims.plan".parse().expect("a mapping");
        assert_eq!(
            (mapping.path.as_str(), mapping.field),
            ("app_metadata.plan", Field::Claim("plan".into()))
        );
        let mapping: Mapping = "a=b=email".parse().expect("a mapping");
        assert_eq!((mapping.path.as_str(), mapping.field), ("a=b", Field::Email));
        assert!("user_metadata.nick=display_name".parse::<Mapping>().is_ok());
        for (text, message) in [
            ("email", "`email` is not COLUMN=FIELD"),
            ("=email", "`=email` is not COLUMN=FIELD"),
            ("a=mail", "there is no field `mail`. Use id, team_id, email, "),
            ("a=is_operator", "there is no field `is_operator`. Use "),
            ("a=claims.", "there is no field `claims.`. Use "),
            ("user_metadata.role=role", "users write `user_metadata.role` themselves: "),
            ("raw_user_meta_data.id=id", "users write `raw_user_meta_data.id` themselves: "),
            ("user_metadata=claims", "users write `user_metadata` themselves: "),
            ("unsafe_metadata.mail=email", "users write `unsafe_metadata.mail` themselves: "),
        ] {
            let error = text.parse::<Mapping>().expect_err(text);
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
