//! Addresses of other services, as settings name them.

use std::net::IpAddr;

use lambda_http::http::Uri;

/// Returns true if an address is on this machine: `localhost`, or of the loopback interface. A
/// tunnel counts too, and an emulator in another container does not.
pub fn is_loopback(address: &str) -> bool {
    let Some(uri) = url(address) else { return false };
    let host = uri.host().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Returns true if nobody between here and there can change what an address answers: it is by
/// https, or on this machine.
pub fn is_safe(address: &str) -> bool {
    let is_https = url(address).is_some_and(|uri| uri.scheme_str() == Some("https"));
    is_https || is_loopback(address)
}

/// Returns true if an address may be shown to people as a link or a picture: it is by http or
/// https, and names a host.
pub fn is_web_address(address: &str) -> bool {
    url(address).is_some()
}

/// The URL of an address by http or https.
fn url(address: &str) -> Option<Uri> {
    let uri: Uri = address.parse().ok()?;
    let is_http = ["http", "https"].contains(&uri.scheme_str()?);
    Some(uri).filter(|uri| is_http && uri.host().is_some_and(|host| !host.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for address in [
            "http://127.0.0.1:8000",
            "http://127.8.9.1",
            "https://[::1]:8000/",
            "http://LocalHost:8000",
        ] {
            assert!(is_loopback(address) && is_safe(address), "{address}");
        }
        for address in [
            "https://dynamodb.eu-north-1.amazonaws.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://localhost@example.com",
            "http://127.0.0.1:80@example.com",
            "http://localhostile",
            "http://10.0.0.1:8000",
            "http://[::2]:8000",
            "ftp://127.0.0.1",
            "127.0.0.1",
            "http://",
            "https://",
            "nothing at all",
            "",
        ] {
            assert!(!is_loopback(address), "{address}");
            assert_eq!(is_safe(address), address.starts_with("https://d"), "{address}");
        }
    }
}
