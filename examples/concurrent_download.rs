//! Downloads through a pool, so many at once, each within a time of its own.
//!
//! ```text
//! cargo run --release --example concurrent_download                  # a demo site, one page stalls
//! cargo run --release --example concurrent_download -- --at-once 2 --timeout 5 https://crates.io
//! ```
//!
//! `timeout` cuts any code that waits, here an HTTP client that knows nothing of it.

#[path = "common/demo_site.rs"]
mod demo_site;
#[path = "common/http.rs"]
mod http;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use greenloop::pool::Pool;
use greenloop::timeout;
use ureq::{Agent, Error};

/// Downloads every URL; without URLs, some pages of a demo site of its own.
#[derive(Parser)]
struct Args {
    /// How many downloads at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    at_once: u32,
    /// How long one download may take
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    #[arg(value_parser = value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// What to download, http or https
    #[arg(value_name = "URL")]
    urls: Vec<String>,
}

fn main() -> io::Result<ExitCode> {
    let Args {
        at_once,
        timeout: seconds,
        mut urls,
    } = Args::parse();
    let is_demo = urls.is_empty();
    if is_demo {
        let site = demo_site::start()?;
        urls = (1..=12).map(|page| format!("{site}/slow/{page}")).collect();
        urls.insert(3, format!("{site}/stalled"));
        urls.insert(7, format!("{site}/missing"));
    }
    let (total, start) = (urls.len(), Instant::now());
    let (agent, limit) = (
        http::agent(Agent::config_builder()),
        Duration::from_secs(seconds),
    );

    let pool = Pool::new(at_once as usize);
    let downloads = pool.imap_unordered(
        urls,
        move |url| {
            let outcome = timeout(limit, || download(&agent, &url));
            (url, outcome)
        },
        None,
    );
    let mut complete = 0;
    for download in downloads {
        match download.expect("a download does not panic") {
            (url, Ok(Ok(bytes))) => {
                println!("{url}: {bytes} bytes");
                complete += 1;
            }
            (url, Ok(Err(error))) => eprintln!("{url}: {error}"),
            (url, Err(elapsed)) => eprintln!("{url}: {elapsed}"),
        }
    }
    let took = start.elapsed().as_secs_f64();
    println!("downloaded {complete} of {total} in {took:.2} s");
    let all_is_well = complete == total || is_demo; // where two are to fail
    Ok(ExitCode::from(u8::from(!all_is_well)))
}

fn download(agent: &Agent, url: &str) -> Result<u64, Error> {
    let mut body = agent.get(url).call()?.into_body().into_reader();
    Ok(io::copy(&mut body, &mut io::sink())?)
}
