//! Reads a JSON document of any size: an array of users, or an object that has one. Only one user
//! at a time is kept.

use std::io::Read;

use serde_json::{Map, Value};
use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ValueType};
use struson::serde::DeserializerError;

use super::bounded::{Bounded, Budget};
use super::{MAX_RECORD, Sink};
use crate::Failure;

/// The names under which objects have their users: `users` in Firebase, Keycloak, Supabase and
/// Auth0, `Users` in Cognito, `data` in Clerk.
const LISTS: [&str; 3] = ["users", "Users", "data"];

/// Returns true if a file that begins with that line is a document, and no JSON Lines: the line is
/// no whole object, or has a list of users.
pub fn begins(line: &[u8]) -> bool {
    match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => {
            LISTS.iter().any(|name| fields.get(*name).is_some_and(Value::is_array))
        }
        Ok(_) => false,
        Err(error) => line.starts_with(b"{") && error.is_eof(),
    }
}

/// Reads all users.
pub fn read(reader: impl Read, sink: &Sink) -> Result<(), Failure> {
    let budget = Budget::new();
    let json = JsonStreamReader::new(Bounded { reader, budget: budget.clone() });
    let mut document = Document { json, budget, sink };
    match document.whole() {
        Ok(()) => {
            let line = document.line();
            let more =
                |_| format!("goes on behind the end of its JSON, on line {line} or later.").into();
            document.json.consume_trailing_whitespace().map_err(more)
        }
        Err(error) => Err(document.explain(error)),
    }
}

struct Document<'a, R: Read> {
    json: JsonStreamReader<Bounded<R>>,
    budget: Budget,
    sink: &'a Sink,
}

impl<R: Read> Document<'_, R> {
    fn line(&self) -> u64 {
        self.json.current_position(false).line_pos.map_or(0, |position| position.line + 1)
    }

    /// Returns what a person should know of an error.
    fn explain(&self, error: Failure) -> Failure {
        let line = self.line();
        if self.budget.is_used_up() {
            return format!("has a user near line {line} of more than {MAX_RECORD} bytes.").into();
        }
        match error.downcast_ref::<ReaderError>() {
            Some(ReaderError::IoError { error, .. }) => {
                format!("cannot be read from line {line} on: {error}").into()
            }
            None if !error.is::<DeserializerError>() => error,
            _ => format!("is not JSON: it is cut off or broken on line {line}.").into(),
        }
    }

    fn whole(&mut self) -> Result<(), Failure> {
        match self.json.peek()? {
            ValueType::Array => self.list()?,
            _ => self.holder()?,
        }
        self.budget.lift();
        Ok(())
    }

    /// Reads the users of an array.
    fn list(&mut self) -> Result<(), Failure> {
        self.json.begin_array()?;
        while self.json.has_next()? {
            self.budget.renew();
            if self.json.peek()? == ValueType::Object {
                self.user()?;
            } else {
                self.sink.refuse(self.line(), "is not a JSON object", "")?;
                self.json.skip_value()?;
            }
        }
        self.json.end_array()?;
        Ok(())
    }

    /// Reads the users that an object has.
    fn holder(&mut self) -> Result<(), Failure> {
        self.json.begin_object()?;
        let mut has_list = false;
        while self.json.has_next()? {
            self.budget.renew();
            let name = self.json.next_name_owned()?;
            if LISTS.contains(&name.as_str()) && self.json.peek()? == ValueType::Array {
                has_list = true;
                self.list()?;
            } else {
                self.budget.lift();
                self.json.skip_value()?;
            }
        }
        self.json.end_object()?;
        if has_list {
            return Ok(());
        }
        let names = LISTS.join("`, `");
        let message = "is an object without a list of users: it has no array named";
        Err(format!("{message} `{names}`. Write an array, or an object a line.").into())
    }

    /// Reads a user; or, where Keycloak exports all realms, a realm's users.
    fn user(&mut self) -> Result<(), Failure> {
        let line = self.line();
        self.json.begin_object()?;
        let (mut fields, mut is_realm) = (Map::new(), false);
        while self.json.has_next()? {
            let name = self.json.next_name_owned()?;
            if name == "users" && self.json.peek()? == ValueType::Array {
                is_realm = true;
                self.list()?;
                self.budget.lift();
            } else if is_realm {
                self.json.skip_value()?;
            } else {
                fields.insert(name, self.json.deserialize_next()?);
            }
        }
        self.json.end_object()?;
        if is_realm { Ok(()) } else { self.sink.send(line, fields) }
    }
}
