//! Instants as Roster stores and shows them, and the clock that tells them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The last second that an instant can be of, after the Unix epoch: 9999-12-30T22:00:00Z.
pub const LAST_SECOND: i64 = 253_402_207_200;

/// An instant in UTC to the millisecond, written `2026-05-02T09:30:00.000Z`: always 24 characters,
/// so that the text sorts as the time does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The instant so many milliseconds after the Unix epoch; the nearest there is (year 1 to
    /// [`LAST_SECOND`]) if it is out of range.
    pub fn from_millisecond(milliseconds: i64) -> Self {
        // From year 1: what four digits can show.
        let bounded = milliseconds.clamp(-62_135_596_800_000, LAST_SECOND * 1000);
        Self(jiff::Timestamp::from_millisecond(bounded).unwrap_or_default())
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millisecond(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Whole seconds since the Unix epoch.
    pub fn as_second(self) -> i64 {
        self.as_millisecond().div_euclid(1000)
    }

    /// The same instant without its milliseconds.
    pub fn whole_second(self) -> Self {
        Self::from_millisecond(self.as_second() * 1000)
    }

    /// This instant moved by so many seconds, forward or (negative) back.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_millisecond(self.as_millisecond().saturating_add(seconds.saturating_mul(1000)))
    }

    /// The UTC day, `2026-05-02`.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .examples(["2026-05-02T09:30:00.000Z"])
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads any RFC 3339 instant, and the form of PostgreSQL (`2026-05-02 09:30:00+00`).
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        Ok(Self::from_millisecond(text.parse::<jiff::Timestamp>()?.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Instants as whole seconds since the Unix epoch.
pub(crate) mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    pub fn serialize<S: Serializer>(
        timestamp: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(timestamp.as_second())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Ok(Timestamp::from_millisecond(i64::deserialize(deserializer)?.saturating_mul(1000)))
    }
}

/// Tells the time: the system's, or in tests whatever they say.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(|| Timestamp(jiff::Timestamp::now()))
    }

    /// A clock that asks `tell` for each reading.
    pub fn new(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The time now, to the millisecond.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond((self.0)().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_fixed_in_width_and_reads_back() {
        for (milliseconds, text) in
            [(0, "1970-01-01T00:00:00.000Z"), (1_777_714_200_345, "2026-05-02T09:30:00.345Z")]
        {
            let timestamp = Timestamp::from_millisecond(milliseconds);
            assert_eq!(timestamp.to_string(), text);
            assert_eq!(text.parse::<Timestamp>().unwrap(), timestamp);
        }
        assert_eq!(Timestamp::from_millisecond(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp::from_millisecond(i64::MIN).to_string(), "0001-01-01T00:00:00.000Z");
        assert_eq!(
            "2026-05-02 09:30:00.345678+00".parse::<Timestamp>().unwrap().to_string(),
            "2026-05-02T09:30:00.345Z"
        );
    }
}
