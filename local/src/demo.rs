//! The demo data: three teams whose users have every status, role, device type, sharing and quota
//! state.
//!
//! Ids are fixed. The callers are `00000000-0000-4000-8000-00000000000N`: N = 1 platform operator,
//! 2 admin of the demo team, 3 operator with `view_all`, 4 operator without, 5 viewer, 6 manager
//! with managed users and shares.

use std::collections::BTreeMap;

use shared::Timestamp;
use shared::auth::api_key::{self, KeyText};
use shared::models::{
    AccountType, ApiKey, ApiKeyRecord, DeviceType, MB_MS_PER_GB_HOUR, OPERATOR_SCOPE, Permission,
    Role, Sandbox, SandboxRecord, SandboxStatus, Seen, Share, Status, Team, USER_SCOPE, UsageDay,
    UsageRecord, User,
};
use shared::store::{Act, Store, WriteError};
use shared::table::Key;
use uuid::Uuid;

use crate::Failure;

/// The demo id that ends in these hexadecimal digits.
pub const fn id(digits: u128) -> Uuid {
    Uuid::from_u128(0x4000_8000_0000_0000_0000 | digits)
}

/// The platform operator.
pub const PLATFORM_OPERATOR: Uuid = id(1);
/// The administrator of the demo team.
pub const ADMIN: Uuid = id(2);
/// An operator of the demo team who sees all of it.
pub const OPERATOR_VIEW_ALL: Uuid = id(3);
/// An operator of the demo team who sees only themselves.
pub const OPERATOR: Uuid = id(4);
/// A viewer of the demo team.
pub const VIEWER: Uuid = id(5);
/// A manager of users, in the demo team.
pub const MANAGER: Uuid = id(6);

/// The demo team.
pub const TEAM: Uuid = id(0xa1);
/// Another tenant, at its daily quota.
pub const OTHER_TEAM: Uuid = id(0xb1);
/// The administrator of the other tenant.
pub const OTHER_ADMIN: Uuid = id(0xb2);
/// The platform's own team.
pub const PLATFORM_TEAM: Uuid = id(0xc1);

/// The kinds of callers, for whoever starts the server.
pub const CALLERS: [(&str, Uuid); 6] = [
    ("platform operator", PLATFORM_OPERATOR),
    ("team admin", ADMIN),
    ("operator who sees all", OPERATOR_VIEW_ALL),
    ("operator", OPERATOR),
    ("viewer", VIEWER),
    ("manager", MANAGER),
];

/// An API key of the demo data: the same everywhere.
pub fn api_key_text(owner: Uuid, place: u8) -> KeyText {
    let mut random = [place; 20];
    random[..16].copy_from_slice(owner.as_bytes());
    random.rotate_left(15);
    KeyText::from_random(random)
}

/// The permissions that an owner's keys may have. The platform operator's alone may report on
/// sandboxes.
fn all_for(owner: Uuid) -> Vec<Permission> {
    let all = Permission::ALL.iter().copied();
    all.filter(|permission| owner == PLATFORM_OPERATOR || *permission != Permission::MeteringWrite)
        .collect()
}

/// Loads the demo data as of `now`.
pub async fn load(store: &Store, now: Timestamp) -> Result<(), Failure> {
    let demo = Demo { now };
    for (id, name, slug, owner_user_id, tier, last_number) in [
        (TEAM, "Acme Robotics", "acme-robotics", ADMIN, "pro", 40),
        (OTHER_TEAM, "Northwind", "northwind", OTHER_ADMIN, "free", 5),
        (PLATFORM_TEAM, "Roster Platform", "roster-platform", PLATFORM_OPERATOR, "enterprise", 1),
    ] {
        let team = Team {
            id,
            name: name.into(),
            slug: slug.into(),
            owner_user_id,
            quota_tier_id: tier.into(),
            created_at: demo.days_ago(400),
            updated_at: demo.days_ago(30),
            soft_deleted_at: None,
        };
        store.put(&Key::team(id), &team).await?;
        store.take_numbers(id, last_number).await?;
    }
    let users = demo.users();
    for users in users.chunks(10) {
        store.load_users(users).await.map_err(loading)?;
    }
    for share in demo.shares() {
        store
            .load_share(&share, &Act::new(share.grantor_id, "share.granted", share.created_at))
            .await
            .map_err(loading)?;
    }
    for usage in demo.usage() {
        store.put(&Key::usage(usage.day.team_id, &usage.day.usage_date), &usage).await?;
    }
    for (owner, place, key) in demo.api_keys() {
        let text = api_key_text(owner, place);
        let sha256 = api_key::hash(text.reveal()).ok_or("a demo key has a wrong checksum")?;
        store
            .load_api_key(
                owner,
                &ApiKeyRecord { key, sha256, is_rotated: false, stepped_up: false },
            )
            .await
            .map_err(loading)?;
    }
    let sandboxes = demo.sandboxes();
    for record in &sandboxes {
        store.put(&Key::sandbox(record.sandbox.user_id, &record.sandbox.id), record).await?;
    }
    for (team, owner) in [(TEAM, ADMIN), (PLATFORM_TEAM, PLATFORM_OPERATOR)] {
        let present = |record: &&SandboxRecord| {
            record.sandbox.user_id == owner && record.sandbox.status != SandboxStatus::Destroyed
        };
        let count = sandboxes.iter().filter(present).count() as u64;
        let reserved = sandboxes.iter().filter(present).map(|record| record.reserved_mb_ms).sum();
        store.put(&Key::sandbox_count(team), &BTreeMap::from([("sandboxes", count)])).await?;
        store
            .put(
                &Key::own_sandbox_count(owner),
                &BTreeMap::from([("sandboxes", count), ("reserved_mb_ms", reserved)]),
            )
            .await?;
    }
    Ok(())
}

/// Returns true if a table has the demo data: API keys that work, and that anyone can make from
/// this file.
pub async fn is_loaded(store: &Store) -> Result<bool, Failure> {
    for owner in [ADMIN, PLATFORM_OPERATOR] {
        if store.has_active_key(owner).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn loading(error: WriteError) -> shared::Error {
    error.into()
}

struct Demo {
    now: Timestamp,
}

impl Demo {
    fn days_ago(&self, days: i64) -> Timestamp {
        self.now.whole_second().plus_seconds(-86_400 * days)
    }

    fn seen(&self, minutes_ago: i64) -> Seen {
        Seen {
            at: self.now.whole_second().plus_seconds(-60 * minutes_ago),
            remote_ip: Some([203, 0, 113, 7].into()),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                .into(),
        }
    }

    /// A person with an email, who was seen.
    fn person(&self, id: Uuid, number: u64, team: (Uuid, &str), name: &str, role: Role) -> User {
        let created_at = self.days_ago(390 - 5 * i64::try_from(number).unwrap_or_default());
        let domain = team.1.to_lowercase().replace(' ', "-");
        User {
            name: Some(name.to_owned()),
            email: Some(format!(
                "{}@{domain}.example",
                name.to_lowercase().replace([' ', '\''], ".")
            )),
            role,
            first_seen: Some(Seen { at: created_at, ..self.seen(0) }),
            last_seen: Some(self.seen(2)),
            email_verified_at: Some(created_at),
            tier: "pro".into(),
            quota_tier_id: "pro".into(),
            ..User::new(id, number, team, created_at)
        }
    }

    fn users(&self) -> Vec<User> {
        let acme = (TEAM, "Acme Robotics");
        let northwind = (OTHER_TEAM, "Northwind");
        let mut users = vec![
            User {
                is_operator: true,
                tier: "enterprise".into(),
                quota_tier_id: "enterprise".into(),
                ..self.person(
                    PLATFORM_OPERATOR,
                    1,
                    (PLATFORM_TEAM, "Roster Platform"),
                    "Olga Petrova",
                    Role::Admin,
                )
            },
            User {
                display_name: Some("Ada".into()),
                username: Some("ada".into()),
                avatar_url: Some("https://avatars.example/ada.png".into()),
                claims: BTreeMap::from([
                    ("department".into(), "engineering".into()),
                    ("office".into(), "Bergen".into()),
                ]),
                device_type: DeviceType::Psd,
                device_user_id: Some("device-0002".into()),
                pub_key: Some(
                    "04a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd".into(),
                ),
                job_title: Some("Head of Platform".into()),
                profile_completed_at: Some(self.days_ago(200)),
                ..self.person(ADMIN, 1, acme, "Ada Nordmann", Role::Admin)
            },
            User {
                view_all: true,
                device_type: DeviceType::SoftPsd,
                device_user_id: Some("device-0003".into()),
                pub_key: Some(
                    "045cbdf0646e5db4eaa398f365f2ea7a0e3d419b7e0330e39ce92bddedcac4f9bc".into(),
                ),
                ..self.person(OPERATOR_VIEW_ALL, 2, acme, "Bela Kovacs", Role::Operator)
            },
            self.person(OPERATOR, 3, acme, "Chidi Okafor", Role::Operator),
            self.person(VIEWER, 4, acme, "Dara Sok", Role::Viewer),
            User {
                first_name: Some("Emi".into()),
                last_name: Some("Tanaka".into()),
                ..self.person(MANAGER, 5, acme, "Emi Tanaka", Role::Operator)
            },
        ];
        for (digits, number, first_name, last_name) in [
            (0x61, 6, "Finn", Some("Berg")),
            (0x62, 7, "Gita", Some("Rao")),
            (0x63, 8, "Hugo", None),
            (0x64, 9, "ines", Some("Silva")),
        ] {
            users.push(User {
                first_name: Some(first_name.into()),
                last_name: last_name.map(str::to_owned),
                manager_id: Some(MANAGER),
                ..User::new(
                    id(digits),
                    number,
                    acme,
                    self.days_ago(60 - i64::try_from(number).unwrap_or_default()),
                )
            });
        }
        let people = [
            "Jonas Weber",
            "Kaia Lund",
            "Liam O'Brien",
            "Mina Park",
            "Noor Haddad",
            "Otto Fischer",
            "Priya Nair",
            "Quentin Roy",
            "Rosa Diaz",
            "Sven Holm",
            "Tariq Aziz",
            "Uma Patel",
            "Vera Ivanova",
            "Wei Zhang",
            "Ximena Cruz",
            "Yusuf Demir",
            "Zoe Martin",
            "Aron Levi",
            "Britt Olsen",
            "Carlos Mora",
            "Dina Farah",
            "Elif Kaya",
            "Frida Moe",
            "Goran Ilic",
        ];
        for (place, (number, name)) in (10..).zip(people).enumerate() {
            let role = Role::ALL[place % Role::ALL.len()];
            let user = User {
                device_type: DeviceType::ALL[(place / 3) % DeviceType::ALL.len()],
                last_seen: Some(self.seen(60 * (1 + 7 * place as i64))),
                ..self.person(id(0x100 + number as u128), number, acme, name, role)
            };
            users.push(self.in_state(user, Status::ALL[(place / 2) % Status::ALL.len()]));
        }
        users.push(User {
            account_type: AccountType::Service,
            username: Some("deploy-bot".into()),
            permissions: vec!["DEPLOY".into()],
            last_seen: None,
            first_seen: None,
            email: None,
            ..self.person(id(0x1f0), 34, acme, "Deploy Bot", Role::Admin)
        });
        users.push(User {
            scim_id: Some("01HTMEXAMPLESCIMID7SWWGHN6".into()),
            login_attempts: 3,
            ..self.person(id(0x1f1), 35, acme, "Sara Scim", Role::Viewer)
        });
        users.push(User {
            tier: "free".into(),
            quota_tier_id: "free".into(),
            ..self.person(OTHER_ADMIN, 1, northwind, "Nils Arctander", Role::Admin)
        });
        for (digits, number, name, role) in [
            (0xb3, 2, "Oda Viken", Role::Operator),
            (0xb4, 3, "Per Strand", Role::Viewer),
            (0xb5, 4, "Runa Lie", Role::Viewer),
        ] {
            users.push(self.person(id(digits), number, northwind, name, role));
        }
        users.push(User {
            abuse_flags: BTreeMap::from([(
                "crypto_mining".into(),
                serde_json::json!({"score": 0.97, "noted_at": self.days_ago(1)}),
            )]),
            ..self.in_state(
                self.person(id(0xb6), 5, northwind, "Mallory Grim", Role::Viewer),
                Status::Suspended,
            )
        });
        users
    }

    /// The user with what goes with a status.
    fn in_state(&self, user: User, status: Status) -> User {
        match status {
            Status::Invited => User {
                first_seen: None,
                last_seen: None,
                email_verified_at: None,
                email_sent: Some(true),
                invite_link: Some(format!("http://localhost:3000/invite/{}", user.number)),
                status,
                ..user
            },
            Status::Deleted => User {
                soft_deleted_at: Some(self.days_ago(3)),
                deleted_by: Some(user.id),
                deleted_from: Some(Status::Active),
                updated_at: self.days_ago(3),
                delete_scheduled_at: Some(self.days_ago(-27)),
                status,
                ..user
            },
            Status::Active | Status::Suspended => User { status, ..user },
        }
    }

    fn shares(&self) -> Vec<Share> {
        [
            (ADMIN, MANAGER, vec!["data:read", "workouts:read"]),
            (VIEWER, MANAGER, vec!["activities:read", "activities:write"]),
            (OTHER_ADMIN, MANAGER, vec!["wellness:read"]),
            (MANAGER, VIEWER, vec!["data:read"]),
        ]
        .into_iter()
        .map(|(grantor_id, grantee_id, scopes)| Share {
            grantor_id,
            grantee_id,
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            created_at: self.days_ago(20),
        })
        .collect()
    }

    /// Thirty days of the demo team; and two of the other, whose last one is full.
    fn usage(&self) -> Vec<UsageRecord> {
        let day = |team_id, days_ago: i64, sandbox_creates, gb_hours| {
            let updated_at = self.days_ago(days_ago);
            let day = UsageDay {
                team_id,
                usage_date: updated_at.date(),
                sandbox_creates,
                gb_hours,
                updated_at,
            };
            UsageRecord { day, committed_mb_ms: (gb_hours * MB_MS_PER_GB_HOUR) as u64 }
        };
        let mut days: Vec<_> = (0..30_u32)
            .map(|ago| {
                day(
                    TEAM,
                    ago.into(),
                    u64::from(20 + (ago * 7) % 23),
                    f64::from((ago * 5) % 40) / 4.0,
                )
            })
            .collect();
        days.push(day(OTHER_TEAM, 0, 100, 9.75));
        days.push(day(OTHER_TEAM, 1, 12, 0.5));
        days
    }

    /// Ten keys of the administrator: two with every permission, one revoked, one expired, and
    /// older ones with the usual permissions; and the platform operator's, with every permission.
    fn api_keys(&self) -> Vec<(Uuid, u8, ApiKey)> {
        let key = |owner, place: u8, name: &str, scope: &str| {
            let text = api_key_text(owner, place);
            let created_at = self.days_ago(100 - i64::from(place));
            let api_key = ApiKey {
                id: id(0xf000 + ((owner.as_u128() & 0xf) << 8) + u128::from(place)),
                prefix: text.prefix().to_owned(),
                is_active: true,
                name: Some(name.to_owned()),
                created_at,
                last_used_at: Some(if place == 1 { self.seen(2).at } else { self.days_ago(1) }),
                scope: scope.to_owned(),
                permissions: if place < 5 { all_for(owner) } else { Permission::defaults() },
                allowed_ips: Vec::new(),
                expires_at: created_at.plus_seconds(365 * 86_400),
                revoked_at: None,
                rotation_parent_key_id: None,
                minted_by: None,
            };
            (owner, place, api_key)
        };
        let mut keys = vec![
            key(ADMIN, 1, "workstation", USER_SCOPE),
            key(ADMIN, 2, "revoked", USER_SCOPE),
            key(ADMIN, 3, "expired", USER_SCOPE),
            key(ADMIN, 4, "ci", USER_SCOPE),
            key(PLATFORM_OPERATOR, 1, "on call", OPERATOR_SCOPE),
            key(PLATFORM_OPERATOR, 2, "dashboard", USER_SCOPE),
        ];
        for place in 5..=10 {
            keys.push(key(ADMIN, place, &format!("laptop {place}"), USER_SCOPE));
        }
        (keys[1].2.is_active, keys[1].2.revoked_at) = (false, Some(self.days_ago(10)));
        keys[2].2.expires_at = self.days_ago(5);
        keys[3].2.rotation_parent_key_id = Some(keys[1].2.id);
        keys
    }

    /// Ten sandboxes of the administrator, in every status; and two of the platform operator, which
    /// run and whose ids are fixed.
    fn sandboxes(&self) -> Vec<SandboxRecord> {
        let of_admin = (0..10_u32).map(|place| {
            let created_at = self.days_ago(i64::from(10 - place));
            let status = SandboxStatus::ALL[place as usize % SandboxStatus::ALL.len()];
            self.sandbox(
                format!("sbx_{:013x}{place:03x}", created_at.as_millisecond()),
                ADMIN,
                place,
                status,
            )
        });
        let of_operator = (8..10).map(|place| {
            self.sandbox(
                format!("sbx_{place:016x}"),
                PLATFORM_OPERATOR,
                place,
                SandboxStatus::Running,
            )
        });
        of_admin.chain(of_operator).collect()
    }

    fn sandbox(
        &self,
        id: String,
        user_id: Uuid,
        place: u32,
        status: SandboxStatus,
    ) -> SandboxRecord {
        let created_at = self.days_ago(i64::from(10 - place));
        let destroyed_at =
            (status == SandboxStatus::Destroyed).then(|| created_at.plus_seconds(3600));
        let sandbox = Sandbox {
            id,
            user_id,
            template: ["python-3.13", "node-24", "base"][place as usize % 3].into(),
            status,
            created_at,
            updated_at: destroyed_at.unwrap_or(created_at),
            metadata: BTreeMap::from([(
                "job".into(),
                serde_json::json!(format!("nightly-{place}")),
            )]),
            started_at: (status != SandboxStatus::Creating).then_some(created_at),
            destroyed_at,
            cpu_count: Some(2),
            memory_mb: Some(2048),
            disk_mb: Some(10_240),
            timeout_ms: Some(3_600_000),
        };
        let running_since = Some(created_at).filter(|_| status == SandboxStatus::Running);
        SandboxRecord { sandbox, ran_ms: 0, running_since, reserved_mb_ms: 0, version: 1 }
    }
}
