//! One green thread, line by line.

use crate::ask::{Ancestor, Story};
use crate::once::{cells, printable};

pub(crate) fn lines(it: &Story) -> Vec<String> {
    let [id, name, does, since, worker, stack, place] = cells(&it.row);
    let joiners: Vec<String> = it.joiners.iter().map(u64::to_string).collect();
    let ancestors: Vec<String> = it.ancestors.iter().map(ancestor).collect();
    let facts = [
        ("id", id),
        ("name", name),
        ("does", does),
        ("for", since),
        ("on", worker),
        ("stack", stack),
        ("spawned at", place),
        ("spawned by", ancestors.join(", by ")),
        ("joined by", joiners.join(", ")),
    ];
    let known = facts.iter().filter(|(_, value)| !value.is_empty());
    let mut lines: Vec<String> = known
        .map(|(name, it)| format!("{name:>10}  {it}"))
        .collect();
    let place = it.backtrace.as_deref().or(it.note.as_deref());
    lines.push(String::new());
    lines.extend(place.unwrap_or_default().lines().map(printable));
    lines
}

fn ancestor(it: &Ancestor) -> String {
    let name = it.name.as_deref().map(printable);
    let name = name.map(|it| format!(" '{it}'")).unwrap_or_default();
    format!("green thread {}{name}", it.id)
}
