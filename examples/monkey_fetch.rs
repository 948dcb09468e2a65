//! gevent's first program: everything is patched, and code that never heard of green threads waits on
//! them. The client is plain `ureq` over plain `std::net`.
//!
//! ```text
//! cargo run --release --features monkey --example monkey_fetch                        # fifty slow pages
//! cargo run --release --features monkey --example monkey_fetch -- http://127.0.0.1:1/ # a page of yours
//! ```

#[path = "common/demo_site.rs"]
mod demo_site;

use clap::Parser;
use greenloop::{joinall, monkey, spawn};
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

/// Fetches every URL at once; without URLs, fifty slow pages of a demo site of its own.
#[derive(Parser)]
struct Args {
    /// The pages, http or https
    #[arg(value_name = "URL")]
    urls: Vec<String>,
}

/// The course's `f(url)`.
fn fetch(url: &str) -> bool {
    println!("GET: {url}");
    match ureq::get(url)
        .call()
        .and_then(|mut page| page.body_mut().read_to_vec())
    {
        Ok(data) => println!("{} bytes received from {url}", data.len()),
        Err(error) => {
            eprintln!("{url}: {error}");
            return false;
        }
    }
    true
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut urls = Args::parse().urls;
    if urls.is_empty() {
        let site = demo_site::start()?;
        urls = (1..=50).map(|page| format!("{site}/slow/{page}")).collect();
    }
    monkey::patch_all()?;

    let (start, total) = (Instant::now(), urls.len());
    let jobs = urls.into_iter().map(|url| spawn(move || fetch(&url)));
    let came = joinall(jobs)
        .into_iter()
        .filter(|came| matches!(came, Ok(true)))
        .count();

    println!(
        "fetched {came} of {total} pages in {:.2} s",
        start.elapsed().as_secs_f64()
    );
    Ok(ExitCode::from(u8::from(came < total)))
}
