//! What a page of a list costs as the team grows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use local::{Location, database, demo, import};
use reqwest::Method;
use shared::Clock;
use shared::store::Store;
use tests::{Answer, Roster, send};

use crate::report::{Section, quantile, table, thousands};
use crate::server::Process;
use crate::{chart, root, token};

/// Up to here the database is in memory, and the places are counted as users come in. More are
/// counted at the end, which is quicker.
const MOST_IN_MEMORY: u32 = 100_000;
/// Where in a list a page is: so many hundredths of the way to its last page.
const PLACES: [(u64, &str); 5] = [
    (0, "first page"),
    (10, "a tenth in"),
    (50, "middle"),
    (75, "three quarters in"),
    (100, "last page"),
];

/// A list, with what selects its users.
struct List {
    name: &'static str,
    /// The path of the page of ten at an offset, in the order of that place.
    path: fn(order: usize, offset: u64) -> Option<String>,
    /// How many users an answer says there are.
    total: fn(&Answer) -> u64,
}

fn directory(order: usize, offset: u64) -> Option<String> {
    let sorting = ["id", "-id", "last_seen", "-last_seen", "status", "-status", "title", "-title"]
        .get(order)?;
    Some(format!(
        "/api/v1/admin_user?account_id={}&sorting={sorting}&pagination[offset]={offset}",
        demo::TEAM
    ))
}

fn workspace(filter: &str, order: usize, offset: u64) -> Option<String> {
    let fields = ["createdAt", "name", "role", "status", "updatedAt"];
    let (field, direction) = (fields.get(order / 2)?, ["asc", "desc"][order % 2]);
    Some(format!(
        "/users?pageSize=10&sortBy={field}&sortOrder={direction}&page={}{filter}",
        offset / 10 + 1
    ))
}

const LISTS: [List; 5] = [
    List {
        name: "directory",
        path: directory,
        total: |answer| answer.json()["pagination"]["item_count"].as_u64().expect("a count"),
    },
    List {
        name: "workspace",
        path: |order, offset| workspace("", order, offset),
        total: of_workspace,
    },
    List {
        name: "workspace, one role",
        path: |order, offset| workspace("&role=ADMIN", order, offset),
        total: of_workspace,
    },
    List {
        name: "workspace, one device",
        path: |order, offset| workspace("&deviceType=PSD", order, offset),
        total: of_workspace,
    },
    List {
        name: "workspace, role and status",
        path: |order, offset| workspace("&role=OPERATOR&status=ACCESS_SUSPENDED", order, offset),
        total: of_workspace,
    },
];

fn of_workspace(answer: &Answer) -> u64 {
    answer.json()["total"].as_u64().expect("a count")
}

/// What pages cost at most over all orders.
#[derive(Debug, Clone, Copy, Default)]
struct Most {
    steps: u32,
    read_units: f64,
}

/// What was measured of a team.
struct Measured {
    users: u32,
    seconds_to_import: f64,
    /// By list and place.
    pages: BTreeMap<(usize, u64), Most>,
    /// The handlers' own time for a large page, in milliseconds, and its read units.
    large: Vec<(f64, f64)>,
    /// The peak of memory of a process that answers such pages, in megabytes.
    peak: Option<f64>,
}

/// Measures the section.
pub async fn measure(most: u32, binary: &Path) -> Section {
    let folder = tempfile::tempdir().expect("a folder");
    let location = if most > MOST_IN_MEMORY {
        Location::File(folder.path().join("roster.db"))
    } else {
        Location::Memory
    };
    let start = Roster::start_with(|options| {
        (options.demo, options.location, options.clock) = (false, location, Clock::system())
    });
    let mut roster = start.await;
    let (mut all, mut users) = (Vec::new(), 0);
    for size in [100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= most) {
        let now = Clock::system().now();
        let file = tests::team::file(users..size, now).expect("a file of users");
        let begin = Instant::now();
        let is_counted_after = size > MOST_IN_MEMORY;
        if is_counted_after {
            let client = database::quiet_client(&roster.server.data.database).await;
            roster.server.data.store = Store::new(client, &roster.table);
        }
        let report =
            import::file(&roster.server.data, file.path(), &import::Options::new(demo::TEAM), now)
                .await
                .expect("an import");
        assert_eq!(report.imported, u64::from(size - users), "every user is new");
        if is_counted_after {
            roster
                .server
                .data
                .store
                .recount_places(demo::TEAM)
                .await
                .expect("the places are counted");
        }
        let seconds_to_import = begin.elapsed().as_secs_f64();
        users = size;
        println!("{} users, {seconds_to_import:.0} s to import", thousands(users.into()));
        all.push(Measured {
            users,
            seconds_to_import,
            pages: pages(&roster).await,
            large: large(&roster).await,
            // Before a server starts on a larger one, the embedded database counts all of its
            // items, for longer than the server waits.
            peak: if users > 1000 { None } else { peak(&roster, folder.path(), binary).await },
        });
    }
    draw(&all);
    section(&all)
}

async fn get(roster: &Roster, path: &str) -> Answer {
    send(roster.request(Method::GET, path).bearer_auth(token(demo::ADMIN))).await.expect(200)
}

async fn pages(roster: &Roster) -> BTreeMap<(usize, u64), Most> {
    let mut pages: BTreeMap<(usize, u64), Most> = BTreeMap::new();
    for (list, List { path, total, .. }) in LISTS.iter().enumerate() {
        for order in 0.. {
            let Some(first) = path(order, 0) else { break };
            let last_page = total(&get(roster, &first).await).saturating_sub(1) / 10;
            for (hundredths, _) in PLACES {
                let path = path(order, last_page * hundredths / 100 * 10).expect("an order");
                let cost = get(roster, &path).await.cost();
                let most = pages.entry((list, hundredths)).or_default();
                *most = Most {
                    steps: most.steps.max(cost.steps),
                    read_units: most.read_units.max(cost.read_units),
                };
            }
        }
    }
    pages
}

/// Large pages, each by its name and path.
fn large_pages() -> [(&'static str, String); 3] {
    [
        (
            "directory, a page of 100",
            format!(
                "/api/v1/admin_user?account_id={}&sorting=title&pagination[page_size]=100",
                demo::TEAM
            ),
        ),
        (
            "workspace, a page of 30, its most",
            "/users?pageSize=30&sortBy=name&sortOrder=asc".to_owned(),
        ),
        ("user-admin, a page of 100", "/api/admin/user-admin?limit=100".to_owned()),
    ]
}

async fn large(roster: &Roster) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    for (_, path) in large_pages() {
        let (mut times, mut read_units) = (Vec::new(), 0.0_f64);
        for _ in 0..50 {
            let answer = get(roster, &path).await;
            times.push(answer.handler_ms());
            read_units = read_units.max(answer.cost().read_units);
        }
        all.push((quantile(&mut times, 0.5), read_units));
    }
    all
}

async fn peak(roster: &Roster, folder: &Path, binary: &Path) -> Option<f64> {
    let server = Process::start(
        binary,
        folder,
        &["--dynamodb-endpoint", &roster.server.data.database.endpoint],
    );
    let client = reqwest::Client::new();
    for (_, path) in large_pages() {
        for _ in 0..5 {
            send(client.get(format!("{}{path}", server.url)).bearer_auth(token(demo::ADMIN)))
                .await
                .expect(200);
        }
    }
    server.peak_megabytes()
}

fn draw(all: &[Measured]) {
    for (file, title, value) in [
        (
            "growth-read-units.svg",
            "Read units of a page of 10, the dearest of all orders",
            (|most| most.read_units) as fn(&Most) -> f64,
        ),
        ("growth-steps.svg", "Steps of a page of 10, the most of all orders", |most| {
            most.steps.into()
        }),
    ] {
        let lines: Vec<_> = [(0, 0), (0, 50), (1, 0), (1, 50), (2, 50), (4, 50)]
            .map(|(list, place)| {
                let points = all
                    .iter()
                    .map(|measured| (measured.users.into(), value(&measured.pages[&(list, place)])))
                    .collect();
                let place = PLACES
                    .iter()
                    .find(|(hundredths, _)| *hundredths == place)
                    .map_or("", |(_, name)| name);
                (format!("{}: {place}", LISTS[list].name), points)
            })
            .into();
        chart::lines(
            &root().join("docs/benchmark").join(file),
            title,
            title.split(" of").next().unwrap_or_default(),
            &lines,
        );
    }
}

fn section(all: &[Measured]) -> Section {
    let mut columns = vec!["page of 10".to_owned()];
    columns
        .extend(all.iter().map(|measured| format!("{} users", thousands(measured.users.into()))));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let of_each = |name: String, figure: &dyn Fn(&Measured) -> String| {
        [vec![name], all.iter().map(figure).collect()].concat()
    };
    let pages = LISTS.iter().enumerate().flat_map(|(list, List { name, .. })| {
        PLACES.map(|(hundredths, place)| {
            of_each(format!("{name}: {place}"), &|measured| {
                let most = &measured.pages[&(list, hundredths)];
                format!("{} steps, {} units", most.steps, most.read_units)
            })
        })
    });
    let pages = table(&columns, pages);
    let mut rows: Vec<Vec<String>> = large_pages()
        .into_iter()
        .enumerate()
        .map(|(list, (name, _))| {
            of_each(format!("{name}: own time, read units"), &|measured| {
                let (time, read_units) = measured.large[list];
                format!("{time:.2} ms, {read_units}")
            })
        })
        .collect();
    rows.push(of_each("peak of memory after these".to_owned(), &|measured| {
        measured.peak.map_or("unknown".to_owned(), |peak| format!("{peak:.1} MB"))
    }));
    rows.push(of_each("import up to here".to_owned(), &|measured| {
        format!("{:.1} s", measured.seconds_to_import)
    }));
    let short = format!(
        "A page of 10 of the directory and of the workspace's list, in teams of 100 to {} users: the dearest of all orders, at a place in the list and \
         with a filter. Units are DynamoDB's; a step is a wait for it.\n\n![read units](growth-read-units.svg)\n\n![steps](growth-steps.svg)\n\n{}",
        thousands(all.last().map_or(0, |measured| measured.users.into())),
        table(
            &["large pages"].into_iter().chain(columns[1..].iter().copied()).collect::<Vec<_>>(),
            rows
        ),
    );
    Section { title: "As the team grows", short, details: pages }
}
