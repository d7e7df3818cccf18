//! What names, usernames and emails may hold.
//!
//! A name may be in any script. What would show another text than is stored may stand in none:
//! control characters, characters that are not seen, and those that turn the direction of the text
//! around them. Emails and usernames, which tell people apart, are also written in one way only
//! (Unicode's normalization form NFKC): `ａ@example.com` in wide letters, or with a Kelvin sign for
//! a K, is no email, so that nobody comes to hold what looks like, or folds to, another's. They are
//! refused and not rewritten: who proves to the identity provider that they own one mailbox has not
//! proven that they own the other.

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::address::is_web_address;

/// Unicode's normalization form NFKC.
const NFKC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfkc();

/// The longest name, in characters.
pub const MOST_NAME: usize = 255;
/// The longest email, in characters: RFC 5321 allows a path of 256 with its brackets.
pub const MOST_EMAIL: usize = 254;
/// The longest address of a picture, in characters.
pub const MOST_URL: usize = 2048;

/// Whether a text may stand where people read it.
pub fn is_readable(text: &str) -> bool {
    let mut before = None;
    text.chars().all(|c| {
        let fits = match c {
            // They shape what stands before them, in scripts and emoji: never in ASCII.
            '\u{200c}' | '\u{200d}' => {
                before.is_some_and(|before: char| !before.is_ascii() && !is_joiner(before))
            }
            c => !c.is_control() && !is_unseen(c),
        };
        before = Some(c);
        fits
    })
}

/// Returns true if a text may be the name of someone: readable, not blank, and not too long.
pub fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= MOST_NAME && is_readable(text)
}

/// Returns true if a text may be the address of someone's picture.
pub fn is_picture(text: &str) -> bool {
    text.chars().count() <= MOST_URL && is_readable(text) && is_web_address(text)
}

/// Whether a text may tell its holder from others.
pub fn is_identifier(text: &str) -> bool {
    is_readable(text)
        && !text.chars().any(|c| is_joiner(c) || is_selector(c))
        && NFKC.is_normalized(text)
}

/// Whether a text has the form of an email address: an identifier with something on both sides of
/// an `@`, and no white space.
pub fn is_email(text: &str) -> bool {
    let has_sides =
        text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_sides && !text.contains(char::is_whitespace) && is_identifier(text)
}

/// Returns text in the form NFKC: letters that are composed, decomposed or wide become the same.
pub fn normalize(text: &str) -> String {
    NFKC.normalize(text).into_owned()
}

/// Returns text as search, name filters and sorting compare it: two texts give the same where they
/// match caselessly (Unicode, D146). `José` matches however its accent is written, and `STRASSE`
/// matches `Straße`.
///
/// Identifiers are not compared so: `straße@example.com` and `strasse@example.com` are two
/// mailboxes.
pub fn case_fold(text: &str) -> String {
    // Full case folding by the standard library's tables: only the dotless `ı` has a capital letter
    // of another letter.
    let fold = |c: char| {
        let folded = c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        folded.map(move |folded| if c == 'ı' { c } else { folded })
    };
    normalize(&normalize(text).chars().flat_map(fold).collect::<String>())
}

/// Zero width joiner and non-joiner.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// What chooses between the shapes of the character before it.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Marks and turns of direction, spaces without width, fillers, tags, separators of lines: what
/// shows nothing, and is no letter's part.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_any_script() {
        for name in [
            "Ada King",
            "José",
            "Jose\u{301}",
            "Ｗｉｄｅ",
            "محمد",
            "می\u{200c}خواهم",
            "അവന്\u{200d}",
            "क्\u{200d}ष",
            "葛\u{e0100}城",
            "ᠮᠣᠩᠭᠣᠯ\u{180b}",
            "👩\u{200d}🔬",
            "שָׁלוֹם",
            "Ngũgĩ wa Thiong'o",
        ] {
            assert!(is_readable(name), "{name:?}");
        }
    }

    #[test]
    fn what_is_not_seen_stands_in_no_name() {
        for c in "\0\r\n\u{7f}\u{85}\u{ad}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{feff}\u{e0041}".chars() {
            assert!(!is_readable(&format!("A{c}da")), "{c:?}");
        }
        for name in ["ad\u{200d}a", "ad\u{200c}", "\u{200d}", "م\u{200c}\u{200c}ی"] {
            assert!(!is_readable(name), "{name:?}");
        }
    }

    #[test]
    fn a_name_shows_something_and_a_picture_is_on_the_web() {
        assert!(is_name("Ada") && is_name(&"𝒜".repeat(255)));
        for name in ["", " ", "\u{3000}", "a\nb", &"a".repeat(256)] {
            assert!(!is_name(name), "{name:?}");
        }
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
        assert!(is_picture("http://a.example") && is_picture(&long(2048)));
        for address in [
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "/me.png",
            "https://",
            "https://a.example/\u{202e}",
        ] {
            assert!(!is_picture(address), "{address:?}");
        }
        assert!(!is_picture(&long(2049)));
    }

    #[test]
    fn an_identifier_is_written_in_one_way() {
        for text in ["ada", "José", "محمد", "山田", "Ада", "ada king"] {
            assert!(is_identifier(text), "{text:?}");
        }
        for text in
            ["Jose\u{301}", "ａｄａ", "ﬁn", "\u{212a}elvin", "می\u{200c}خواهم", "葛\u{e0100}", "①"]
        {
            assert!(!is_identifier(text), "{text:?}");
        }
    }

    #[test]
    fn texts_that_match_caselessly_fold_to_the_same() {
        for (one, other) in [
            ("José", "JOSE\u{301}"),
            ("Jose\u{301}", "josé"),
            ("STRASSE", "Straße"),
            ("STRAẞE", "straße"),
            ("fiona", "ﬁona"),
            ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
            ("ᾳ\u{301}", "\u{391}\u{301}\u{345}"),
            ("Ｗｉｄｅ", "wide"),
            ("한", "\u{1112}\u{1161}\u{11ab}"),
            ("ꮳ", "Ꮳ"),
        ] {
            assert_eq!(case_fold(one), case_fold(other), "{one:?} {other:?}");
        }
        for (one, other) in [("José", "Jose"), ("ısı", "isi"), ("İ", "i"), ("ä", "a"), ("й", "и")]
        {
            assert_ne!(case_fold(one), case_fold(other), "{one:?} {other:?}");
        }
        assert_eq!(case_fold("ÉCOLE Ada"), "école ada");
    }

    #[test]
    fn folding_a_folded_text_changes_nothing() {
        for c in ('\0'..='\u{1ffff}').map(String::from) {
            let folded = case_fold(&c);
            assert_eq!(case_fold(&folded), folded, "{c:?}");
            assert_eq!(case_fold(&normalize(&c)), folded, "{c:?}");
        }
    }

    #[test]
    fn an_email_has_two_sides_and_no_white_space() {
        for text in ["a@b", "José@example.com", "a@b@c", "用户@例子.中国"] {
            assert!(is_email(text), "{text:?}");
        }
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "ab",
            "a b@c",
            "a@b\u{3000}",
            "\u{212a}@example.com",
            "ａ@example.com",
            "a\u{200b}@b",
            "a@b\u{202e}",
        ] {
            assert!(!is_email(text), "{text:?}");
        }
    }
}
